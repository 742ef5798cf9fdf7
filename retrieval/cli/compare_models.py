"""`retrieval compare-models`."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from retrieval.cli.judged_options import Judgements, Set, given_judgements, number_list
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import print_json, print_table, say, table
from retrieval.cli.phases import Phases
from retrieval.cli.plots import check_plot, save_plot

if TYPE_CHECKING:
    from retrieval.evaluation.model_comparison import ModelComparison, ModelResult


def compare_models(
    collection: Annotated[str, typer.Argument(show_default=False)],
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL…",
            help="Beside that of the active space: hub ids, folders, openai:NAME.",
            show_default=False,
        ),
    ] = None,
    golden_set: Set = "default",
    judgements: Judgements = None,
    sample: Annotated[
        int,
        typer.Option(help="How many documents are embedded; the judged ones are always there."),
    ] = 2_000,
    dimensions: Annotated[
        str,
        typer.Option(help="Also tried with the first dimensions alone, as in 256,128; '' for no."),
    ] = "512,256,128,64",
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw quality against cost.", metavar="PATH.png"),
    ] = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Embed a sample of a collection with several models and see what each is worth and costs."""
    from retrieval.evaluation import model_comparison, model_plot

    check_plot(plot)
    lengths = number_list("--dimensions", dimensions)
    judged = given_judgements(judgements)
    with open_retriever(database_url, tenant) as retriever, Phases() as show:
        comparison = model_comparison.compare_models(
            retriever,
            collection,
            models or [],
            golden_set=golden_set,
            judgements=judged,
            sample=sample,
            dimensions=lengths,
            seed=seed,
            on_progress=show,
        )
    save_plot(partial(model_plot.plot_models, comparison), plot)
    if json:
        print_json(asdict(comparison))
    else:
        _print(comparison)


def _print(comparison: "ModelComparison") -> None:
    listed = table(
        *("model", "dimensions", "nDCG@10", "95 %", "R@100", "difference", "p"),
        *("storage", "chunks/s", "ms/query", "weights", "parameters"),
    )
    for each in comparison.results:
        listed.add_row(*_quality(each), *_cost(each))
    print_table(listed)
    extent = (
        "all documents: exact"
        if comparison.is_whole
        else f"{comparison.documents} of {comparison.all_documents} documents: among all of them "
        "every model finds less, so compare models, not these numbers with others"
    )
    say(f"{comparison.queries} queries, {extent}")
    if comparison.missing_documents:
        say(f"{comparison.missing_documents} judged documents are not in the collection")


def _quality(result: "ModelResult") -> list[str]:
    interval, difference = result.ndcg_interval, result.difference
    shown = "-" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
    p_value = None if difference is None else difference.p_value
    return [
        f"{result.model} (active)" if result.is_active else result.model,
        str(result.dimensions),
        f"{result.ndcg:.3f}",
        shown,
        f"{result.recall:.3f}",
        "-" if difference is None else f"{difference.mean:+.3f}",
        "-" if p_value is None else f"{p_value:.4f}",
    ]


def _cost(result: "ModelResult") -> list[str]:
    return [
        _size(result.storage_bytes),
        f"{result.chunks_per_second:.1f}",
        f"{result.milliseconds_per_query:.1f}",
        _size(result.weight_bytes),
        "-" if result.parameters is None else f"{result.parameters / 1e6:.1f} M",
    ]


def _size(number: int | None) -> str:
    return "-" if number is None else decimal(number)
