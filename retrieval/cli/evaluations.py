"""`retrieval evaluations`."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, errors, print_json, print_table, say, table
from retrieval.cli.plots import check_plot, save_plot
from retrieval.errors import InvalidInput
from retrieval.evaluation import report_text as said
from retrieval.evaluation.changes import ComparedEvaluations, compare_evaluations
from retrieval.evaluation.history import (
    RecordedEvaluation,
    golden_set_of,
    previous,
    recorded_evaluations,
)
from retrieval.evaluation.history_figure import plot_evaluations


def evaluations(
    collection: str,
    golden_set: Annotated[
        str | None, typer.Option("--set", help="Those on one golden set.", metavar="NAME")
    ] = None,
    compare: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Two of them, on the queries that both have measured.", metavar="ID ID"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Where a measure is drawn over time.", metavar="PATH.png")
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(help="What is drawn; without it the first measure of the newest."),
    ] = None,
    max_results: Annotated[int, typer.Option(help="How many, newest first.")] = 50,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """List what was measured over time, or compare two evaluations."""
    check_plot(plot)
    with open_retriever(database_url, tenant) as retriever:
        if compare is not None:
            _show_compared(compare_evaluations(retriever, collection, *compare), json)
            return
        recorded = recorded_evaluations(retriever, collection, golden_set, max_results=max_results)
    if plot is not None:
        _plot(recorded, measure, plot)
    if json:
        print_json(as_dictionaries(recorded))
    else:
        _print_recorded(recorded)


def _plot(recorded: list[RecordedEvaluation], measure: str | None, path: Path) -> None:
    if not recorded:
        raise InvalidInput("there is no evaluation to draw")
    drawn = measure or recorded[0].measured[0]
    if all(each.mean(drawn) is None for each in recorded):
        raise InvalidInput(f"no evaluation has measured {drawn}")
    save_plot(partial(plot_evaluations, recorded, drawn), path)


def _print_recorded(recorded: list[RecordedEvaluation]) -> None:
    if not recorded:
        errors.print("no evaluation")
        return
    listed = table("id", "at", "golden set", "settings", "queries", "measures", "since the last")
    for each in recorded:
        last = previous(each, recorded)
        means = ", ".join(f"{name} {each.mean(name):.3f}" for name in each.measured)
        listed.add_row(
            str(each.evaluation_id),
            f"{each.created_at.astimezone():%Y-%m-%d %H:%M}",
            Text(golden_set_of(each)),
            Text(each.name),
            str(each.queries),
            Text(means),
            "" if last is None else _since(each, last),
        )
    print_table(listed)


def _since(evaluation: RecordedEvaluation, last: RecordedEvaluation) -> str:
    name = evaluation.measured[0]
    now, before = evaluation.mean(name), last.mean(name)
    return "" if now is None or before is None else f"{name} {now - before:+.3f}"


def _show_compared(compared: ComparedEvaluations, json: bool) -> None:
    if json:
        print_json(asdict(compared))
        return
    runs = (compared.former, compared.latter)
    names = [f"{each.evaluation_id}, {each.name} on {golden_set_of(each)}" for each in runs]
    say(f"{names[0]}\n{names[1]}\n{compared.queries} queries in both")
    for remark in compared.remarks:
        errors.print(Text(f"note: {remark}"), soft_wrap=True)
    listed = table("measure", *(str(each.evaluation_id) for each in runs), "difference", "p")
    for name, (former, latter) in compared.means.items():
        difference = compared.differences[name]
        shown = Text(said.changed(difference))
        p_value = said.p_value(difference.p_value)
        listed.add_row(name, f"{former:.3f}", f"{latter:.3f}", shown, p_value)
    print_table(listed)
