"""`retrieval spaces estimate`, `tune`, `adapt` and `drop-adapter`: decisions by figures."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from retrieval.cli import space_options as options
from retrieval.cli.options import DatabaseUrl, Json, Model
from retrieval.cli.output import as_dictionaries, print_json, print_table, say, table
from retrieval.cli.phases import Phases
from retrieval.cli.plots import check_plot, save_plot
from retrieval.embedding import create_embedder
from retrieval.errors import NotReady
from retrieval.golden_sets.judgements import read_judgements, read_queries
from retrieval.search import Retriever
from retrieval.spaces.adapt import AdaptedSpace
from retrieval.spaces.tune import Tuning, plot_tuning

# fewer say little about the recall among many
FEW_CHUNKS = 10_000


def estimate(
    chunks: Annotated[int, typer.Argument(help="How many there will be.", show_default=False)],
    dimensions: Annotated[
        int | None, typer.Option(help="Of a vector; without it those of the model.")
    ] = None,
    model: Model = None,
    index_option: options.IndexOption = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Say what a dense space will take on disk, and the memory to build its index in."""
    asked = options.index_options(index_option)
    length = dimensions if dimensions is not None else create_embedder(model).dimensions
    with Retriever.open(database_url) as retriever:
        estimates = retriever.spaces.estimate(chunks, length, index_options=asked)
    if json:
        print_json(as_dictionaries(estimates))
        return
    listed = table("index", "quantization", "table", "index size", "memory to build in")
    for each in estimates:
        memory = each.build_memory_bytes
        sizes = (decimal(each.heap_bytes), decimal(each.index_bytes))
        needed = "-" if memory is None else decimal(memory)
        listed.add_row(each.index_method, each.quantization, *sizes, needed)
    print_table(listed)


def tune(
    collection: options.Collection,
    space: options.SpaceOption = None,
    recall: Annotated[
        float, typer.Option(help="Share of the true ten nearest chunks that a search must find.")
    ] = 0.98,
    queries: options.Queries = None,
    sample: Annotated[
        int, typer.Option(help="Without --queries: how many chunks are searched for.")
    ] = 200,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure, but change nothing.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Where the curve is drawn; without it tuning-COLLECTION-SPACE.png, here.",
            metavar="PATH.png",
        ),
    ] = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Find the cheapest search that reaches a recall, and let the space use it.

    Exit code 1 where no setting does.
    """
    asked = read_queries(queries) if queries else None
    check_plot(plot or Path("tuning.png"))
    with Retriever.open(database_url) as retriever, Phases() as show:
        tuning = retriever.spaces.tune(
            collection,
            space,
            recall=recall,
            queries=asked,
            sample=sample,
            store=not dry_run,
            on_progress=show,
        )
    path = plot or Path(f"tuning-{collection}-{tuning.space}.png")
    save_plot(partial(plot_tuning, tuning), path)
    if json:
        print_json(asdict(tuning) | {"plot": str(path)})
    else:
        _print_tuning(tuning, path)
    if tuning.chosen is None:
        best = max(tuning.measurements, key=lambda each: each.recall)
        raise NotReady(
            f"no setting of space {tuning.space} reaches recall {recall}; the best is "
            f"{best.recall:.4f}, with search effort {best.search_effort}"
        )


def _print_tuning(tuning: Tuning, path: Path) -> None:
    kind = "queries" if tuning.real_queries else "chunks as queries"
    say(f"space {tuning.space} ({tuning.index_method}), {tuning.queries} {kind}")
    curve = table("effort", "oversampling", "recall@10", "ms", "")
    for each in tuning.measurements:
        numbers = (f"{each.recall:.4f}", f"{each.milliseconds:.2f}")
        chosen = "chosen" if each == tuning.chosen else ""
        curve.add_row(str(each.search_effort), str(each.oversampling), *numbers, chosen)
    print_table(curve)
    if tuning.chosen:
        say("stored with the space" if tuning.stored else "nothing was changed")
        if tuning.chunks < FEW_CHUNKS:
            say(f"measured on {tuning.chunks} chunks: tune again when there are many more")
    say(f"the curve is in {path}")


def adapt(
    collection: options.Collection,
    judgements: Annotated[
        Path,
        typer.Option(
            help="Folder with queries.jsonl and qrels.tsv, as of BEIR.",
            metavar="FOLDER",
            show_default=False,
        ),
    ],
    space: options.SpaceOption = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Learn from judged queries how to map others; kept where it wins on held-out ones."""
    judged = read_judgements(judgements)
    with Retriever.open(database_url) as retriever:
        adapted = retriever.spaces.adapt(collection, judged, space=space)
    if json:
        print_json(asdict(adapted))
    else:
        _print_adapted(adapted, collection)


def _print_adapted(adapted: AdaptedSpace, collection: str) -> None:
    measured = f"space {adapted.space}, {adapted.queries} judged queries"
    if not adapted.kept:
        say(f"{measured}: not kept, as no gain on held-out queries is certain")
        return
    say(
        f"{measured}: kept; nDCG@10 of held-out queries {adapted.ndcg:.3f}, "
        f"with the adapter {adapted.gain:+.3f} (with 95 % confidence {adapted.least_gain:+.3f} or "
        f"more)\nto remove it: retrieval spaces drop-adapter {collection} --space {adapted.space}",
    )


def drop_adapter(
    collection: options.Collection,
    space: options.SpaceOption = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Search with the queries' own embeddings again."""
    with Retriever.open(database_url) as retriever:
        dropped = retriever.spaces.drop_adapter(collection, space)
    say("the query adapter was dropped" if dropped else "there was no query adapter")
