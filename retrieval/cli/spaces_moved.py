"""`retrieval spaces migrate`, `compare` and `align`: from one model to another."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from retrieval.cli import space_options as options
from retrieval.cli.options import DatabaseUrl, Json
from retrieval.cli.output import errors, print_json, say
from retrieval.cli.phases import Phases
from retrieval.errors import InvalidInput
from retrieval.search import Retriever
from retrieval.spaces.align import AlignedSpace
from retrieval.spaces.compare import Comparison
from retrieval.spaces.create import space_name
from retrieval.spaces.migrate import Migration


def migrate(
    collection: options.Collection,
    model: options.NewModel,
    kind: options.Kind = "dense",
    dimensions: options.Dimensions = None,
    space: options.NewSpace = None,
    modality: options.Modality = None,
    index_method: options.IndexMethod = None,
    quantization: options.Quantization = None,
    index_option: options.IndexOption = None,
    queries: options.Queries = None,
    judgements: options.JudgementsFolder = None,
    no_activate: Annotated[
        bool, typer.Option("--no-activate", help="Leave the former space the active one.")
    ] = False,
    drop_former: Annotated[
        bool, typer.Option("--drop-former", help="Remove the former space at the end.")
    ] = False,
    memory: options.Memory = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Move a collection to another model while it is searched and written.

    Embeds, indexes, compares and activates; after an interruption it goes on where it was.
    """
    if no_activate and drop_former:
        raise InvalidInput("--drop-former needs the new space to be active, so not --no-activate")
    asked = options.questions(queries, judgements)
    embedder = options.embedder_of(model, kind, dimensions)
    name = space or space_name(embedder.model)
    with Retriever.open(database_url) as retriever:
        progress = partial(retriever.spaces.index_progress, collection, name)
        with Phases(progress) as show:
            migration = retriever.spaces.migrate(
                collection,
                embedder,
                space=name,
                modality=options.modality_of(modality),
                index_method=index_method,
                quantization=quantization,
                index_options=options.index_options(index_option),
                queries=asked,
                activate=not no_activate,
                memory=memory,
                on_progress=show,
            )
        dropped = migration.former if drop_former else None
        if dropped:
            retriever.spaces.drop(collection, dropped)
    if json:
        print_json(asdict(migration) | {"dropped": dropped})
        return
    say(f"space {migration.space}: {migration.embedded} chunks embedded")
    if migration.comparison:
        _print_comparison(migration.comparison, str(migration.former), migration.space)
    elif asked:
        reason = "only dense spaces are" if migration.former else "there was no other active space"
        errors.print(f"not compared: {reason}")
    of_kind = "" if kind == "dense" else f" --kind {kind}"
    of_modality = "" if modality in (None, "text") else f" --modality {modality}"
    _print_way_back(migration, collection, of_kind + of_modality, dropped)


def _print_way_back(
    migration: Migration, collection: str, option: str, dropped: str | None
) -> None:
    """How to go on from here, or back."""
    if not migration.activated:
        say(f"to search it: retrieval spaces activate {collection} {migration.space}")
        return
    say(f"space {migration.space} is active")
    if dropped:
        say(f"space {dropped} was dropped")
    elif migration.former:
        say(
            f"space {migration.former} is kept in step; "
            f"to return to it: retrieval spaces rollback {collection}{option}; "
            f"to remove it: retrieval spaces drop {collection} {migration.former}"
        )


def compare(
    collection: options.Collection,
    former: Annotated[str, typer.Argument(help="Name of a space.", show_default=False)],
    new: Annotated[str, typer.Argument(help="Name of another one.", show_default=False)],
    queries: options.Queries = None,
    judgements: options.JudgementsFolder = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Ask two spaces the same questions; judged ones give nDCG@10 as well."""
    asked = options.questions(queries, judgements)
    if asked is None:
        raise InvalidInput("there is nothing to ask: give --queries or --judgements")
    with Retriever.open(database_url) as retriever:
        comparison = retriever.spaces.compare(collection, former, new, asked)
    if json:
        print_json(asdict(comparison))
    else:
        _print_comparison(comparison, former, new)


def _print_comparison(comparison: Comparison, former: str, new: str) -> None:
    say(f"{comparison.queries} queries; overlap@10 {comparison.overlap:.3f}")
    if comparison.former_ndcg is not None:
        say(f"nDCG@10 {former} {comparison.former_ndcg:.3f}, {new} {comparison.new_ndcg:.3f}")


def align(
    collection: options.Collection,
    model: options.NewModel,
    source: Annotated[
        str | None, typer.Option(help="Space to carry over; without it the active one.")
    ] = None,
    dimensions: options.Dimensions = None,
    space: options.NewSpace = None,
    sample: Annotated[int, typer.Option(help="Chunks that the new model embeds.")] = 2000,
    memory: options.Memory = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Carry a space's vectors over to another model, where embedding again is too much.

    A rotation is fitted to a sample that both models embed. It loses something: how much is
    measured and printed. Nothing is activated.
    """
    embedder = options.embedder_of(model, "dense", dimensions)
    with Retriever.open(database_url) as retriever:
        name = space or f"{space_name(embedder.model)}-aligned"
        progress = partial(retriever.spaces.index_progress, collection, name)
        with Phases(progress) as show:
            aligned = retriever.spaces.align(
                collection,
                embedder,
                source=source,
                space=name,
                sample=sample,
                memory=memory,
                on_progress=show,
            )
    if json:
        print_json(asdict(aligned))
    else:
        _print_aligned(aligned, collection)


def _print_aligned(aligned: AlignedSpace, collection: str) -> None:
    say(
        f"space {aligned.space}: {aligned.sample} chunks embedded, {aligned.carried} carried over "
        f"from {aligned.source}\n"
        f"measured on {aligned.held_out} held-out chunks: cosine to their true embeddings "
        f"{aligned.cosine:.3f}, {aligned.overlap:.1%} of the ten nearest neighbours kept\n"
        f"to search it: retrieval spaces activate {collection} {aligned.space}"
    )
