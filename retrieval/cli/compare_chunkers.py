"""`retrieval compare-chunkers`."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from retrieval.cli.judged_options import Judgements
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import errors, print_json, print_table, say, table
from retrieval.cli.phases import Phases
from retrieval.cli.plots import check_plot, save_plot
from retrieval.errors import InvalidInput

if TYPE_CHECKING:
    from retrieval.evaluation.chunker_comparison import ChunkerComparison, ChunkerResult
    from retrieval.evaluation.known_answers import KnownAnswer
    from retrieval.search import Retriever


def compare_chunkers(
    collection: Annotated[
        str, typer.Argument(help="Gives the model and the settings.", show_default=False)
    ],
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILES…", help="Files and folders.", show_default=False)
    ],
    answers: Annotated[
        Path | None,
        typer.Option(
            help='Lines of {"_id", "text", "answer", "document_key"}: what a chunk must hold.',
            metavar="FILE.jsonl",
            show_default=False,
        ),
    ] = None,
    golden_set: Annotated[
        str | None,
        typer.Option("--set", help="Instead of answers: a golden set, of which documents count."),
    ] = None,
    judgements: Judgements = None,
    chunking: Annotated[
        list[str] | None,
        typer.Option(
            help="STRATEGY[:TOKENS[:OVERLAP]] or a JSON object; repeatable; without it a grid.",
            metavar="CHUNKING",
        ),
    ] = None,
    leg: Annotated[
        list[str] | None,
        typer.Option(help="keyword or semantic; without it both.", show_default=False),
    ] = None,
    queries: Annotated[
        int, typer.Option(help="Without answers: how many are made from the files.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="Of those.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw recall against the size of chunks.", metavar="PATH.png"),
    ] = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Cut files in several ways and see which lets a search find the known answers in them.

    Nothing stays in the database.
    """
    from retrieval.evaluation import chunker_comparison, chunker_grid, chunker_plot

    check_plot(plot)
    chunkings = [chunker_grid.parse_chunking(each) for each in chunking or ()]
    with open_retriever(database_url, tenant) as retriever, Phases() as show:
        comparison = chunker_comparison.compare_chunkers(
            retriever,
            collection,
            paths,
            _answers(retriever, collection, answers, golden_set, judgements),
            chunkings=chunkings or None,
            legs=leg or ("keyword", "semantic"),
            queries=queries,
            seed=seed,
            on_progress=show,
        )
    save_plot(partial(chunker_plot.plot_chunkers, comparison), plot)
    if json:
        print_json(asdict(comparison))
    else:
        _print(comparison)


def _answers(
    retriever: "Retriever",
    collection: str,
    answers: Path | None,
    golden_set: str | None,
    judgements: Path | None,
) -> "list[KnownAnswer] | None":
    """What is known, in whichever way it was given."""
    from retrieval.evaluation import known_answers
    from retrieval.evaluation.chosen_judgements import chosen_judgements
    from retrieval.golden_sets.judgements import read_judgements

    if sum(each is not None for each in (answers, golden_set, judgements)) > 1:
        raise InvalidInput("--answers, --set and --judgements exclude each other")
    if answers is not None:
        return known_answers.read_answers(answers)
    if judgements is not None:
        return known_answers.judged_answers(read_judgements(judgements))
    if golden_set is not None:
        judged = chosen_judgements(retriever, collection, None, golden_set)
        return known_answers.judged_answers(judged)
    return None


def _print(comparison: "ChunkerComparison") -> None:
    tried = [each for each in comparison.results if each.recall and each.budget_recall]
    first = tried[0]
    listed = table(
        *("chunker", "chunks", "tokens", "held"),
        *(f"R@{count}" for count in first.recall or ()),
        *(f"in {budget:,} tokens" for budget in first.budget_recall or ()),
        *("difference", "p"),
    )
    for each in tried:
        listed.add_row(*_row(each))
    print_table(listed)
    kind = "synthetic queries" if comparison.is_synthetic else "queries"
    say(f"{comparison.queries} {kind}, {comparison.documents} documents")
    if comparison.left_out:
        say(f"{comparison.left_out} queries have no answer among them and were left out")
    for result in comparison.results:
        if result.failure is not None:
            errors.print(Text(f"failed: {result.chunker}: {result.failure}"), soft_wrap=True)
    for failure in comparison.failures:
        errors.print(Text(f"failed: {failure}"), soft_wrap=True)


def _row(result: "ChunkerResult") -> list[str]:
    difference = result.difference
    p_value = None if difference is None else difference.p_value
    return [
        f"{result.chunker} (own)" if result.is_own else result.chunker,
        str(result.chunks),
        f"{result.mean_tokens:.0f}",
        f"{result.held:.2f}",
        *(f"{share:.3f}" for share in (result.recall or {}).values()),
        *(f"{share:.3f}" for share in (result.budget_recall or {}).values()),
        "-" if difference is None else f"{difference.mean:+.3f}",
        "-" if p_value is None else f"{p_value:.4f}",
    ]
