"""`retrieval spaces …`: the embeddings of a collection by one model or several."""

from functools import partial
from typing import Annotated

import typer
from rich.filesize import decimal

from retrieval.cli import space_options as options
from retrieval.cli import spaces_measured, spaces_moved, spaces_vectors
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, errors, print_json, print_table, say, table
from retrieval.cli.phases import Phases
from retrieval.embedding.kinds import checked_kind
from retrieval.search import Retriever
from retrieval.spaces.progress import BUILDING
from retrieval.spaces.summary import SpaceSummary

app = typer.Typer(
    help="Embedding models of a collection: side by side, measured, replaced.",
    no_args_is_help=True,
)


@app.command("list")
def list_spaces(
    collection: options.Collection,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """List the spaces of a collection, active ones first."""
    with open_retriever(database_url, tenant) as retriever:
        summaries = retriever.spaces.summaries(collection)
    if json:
        print_json(as_dictionaries(summaries))
        return
    if not summaries:
        errors.print(f"collection {collection} has no space")
        return
    names = ("name", "kind", "state", "model", "dimensions", "metric", "index")
    listed = table(*names, "embeddings", "missing", "size")
    for each in summaries:
        made = (each.name, _kind(each), each.state, each.model)
        shape = (str(each.dimensions), each.metric, _index(each))
        size = "-" if each.bytes is None else decimal(each.bytes)
        counts = (str(each.embeddings), str(each.missing), size)
        listed.add_row(*made, *shape, *counts)
    print_table(listed)


def _kind(space: SpaceSummary) -> str:
    return space.kind if space.modality == "text" else f"{space.kind}, {space.modality}"


def _index(space: SpaceSummary) -> str:
    quantized = f" {space.quantization}" if space.quantization != "half" else ""
    return f"{space.index_method}{quantized}{'' if space.indexed else ', not built'}"


@app.command()
def create(
    collection: options.Collection,
    model: options.NewModel,
    kind: options.Kind = "dense",
    dimensions: options.Dimensions = None,
    space: options.NewSpace = None,
    modality: options.Modality = None,
    metric: Annotated[
        str | None, typer.Option(help="cosine, inner_product, l2 or l1; without it as usual.")
    ] = None,
    index_method: options.IndexMethod = None,
    quantization: options.Quantization = None,
    index_option: options.IndexOption = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a space, to be filled and built and then activated; migrate does it all."""
    embedder = options.embedder_of(model, kind, dimensions)
    with Retriever.open(database_url) as retriever:
        name = retriever.spaces.create(
            collection,
            embedder,
            space=space,
            modality=options.modality_of(modality),
            metric=metric,
            index_method=index_method,
            quantization=quantization,
            index_options=options.index_options(index_option),
        )
    say(f"space {name} was created; go on with: retrieval spaces fill {collection} {name}")


@app.command()
def fill(
    collection: options.Collection,
    space: options.SpaceOrActive = None,
    kind: options.Kind = "dense",
    database_url: DatabaseUrl = None,
) -> None:
    """Embed the chunks that have no embedding in a space; interrupted, it goes on."""
    with Retriever.open(database_url) as retriever, Phases() as show:
        count = retriever.spaces.fill(collection, space, kind=checked_kind(kind), on_progress=show)
    say(f"{count} chunks embedded")


@app.command()
def build(
    collection: options.Collection,
    space: options.SpaceOrActive = None,
    kind: options.Kind = "dense",
    memory: options.Memory = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Build the vector index of a space while it is read and written."""
    checked = checked_kind(kind)
    with Retriever.open(database_url) as retriever:
        progress = partial(retriever.spaces.index_progress, collection, space, kind=checked)
        progress()  # says what is wrong with the names before anything is shown
        with Phases(progress) as show:
            show(BUILDING, 0, 1)
            built = retriever.spaces.build_index(collection, space, kind=checked, memory=memory)
            show(BUILDING, 1, 1)
    say("the index was built" if built else "there was nothing to build")


@app.command()
def activate(
    collection: options.Collection, space: options.Space, database_url: DatabaseUrl = None
) -> None:
    """Make a space the one that is searched; the former one is kept in step."""
    with Retriever.open(database_url) as retriever:
        retriever.spaces.activate(collection, space)
    say(f"space {space} is active")


@app.command()
def rollback(
    collection: options.Collection,
    kind: options.Kind = "dense",
    modality: options.Modality = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Return to the space that was active before."""
    with Retriever.open(database_url) as retriever:
        space = retriever.spaces.rollback(
            collection,
            kind=checked_kind(kind),
            modality=options.modality_of(modality) or "text",
        )
    say(f"space {space} is active again")


@app.command()
def retire(
    collection: options.Collection, space: options.Space, database_url: DatabaseUrl = None
) -> None:
    """Keep a space as it is, and embed no more chunks for it."""
    with Retriever.open(database_url) as retriever:
        retriever.spaces.retire(collection, space)
    say(f"space {space} is retired")


@app.command()
def resume(
    collection: options.Collection, space: options.Space, database_url: DatabaseUrl = None
) -> None:
    """Embed new chunks for a retired space again."""
    with Retriever.open(database_url) as retriever:
        retriever.spaces.resume(collection, space)
    say(f"space {space} is written again")
    say(f"what it missed meanwhile: retrieval spaces fill {collection} {space}")


@app.command()
def drop(
    collection: options.Collection,
    space: options.Space,
    force: Annotated[bool, typer.Option("--force", help="Also the active one.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Remove a space with its embeddings."""
    with Retriever.open(database_url) as retriever:
        retriever.spaces.drop(collection, space, force=force)
    say(f"space {space} was dropped")


app.command()(spaces_moved.migrate)
app.command()(spaces_moved.compare)
app.command()(spaces_moved.align)
app.command("import")(spaces_vectors.import_embeddings)
app.command("export")(spaces_vectors.export_embeddings)
app.command()(spaces_measured.estimate)
app.command()(spaces_measured.tune)
app.command()(spaces_measured.adapt)
app.command("drop-adapter")(spaces_measured.drop_adapter)
