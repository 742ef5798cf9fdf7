"""`retrieval evaluate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from retrieval.cli.judged_options import Judgements, given_judgements
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import errors, print_json, print_table, say, snippet, table
from retrieval.cli.phases import Phases
from retrieval.evaluation import report_text as said
from retrieval.evaluation.evaluate import evaluate as evaluate_settings
from retrieval.evaluation.measures import DEFAULT_MEASURES, measure_names
from retrieval.evaluation.report import check_report, write_report
from retrieval.evaluation.results import Evaluation
from retrieval.evaluation.search_settings import SearchSettings

LONGEST_QUERY = 60


def evaluate(
    collection: str,
    golden_set: Annotated[
        str, typer.Option("--set", help="Golden set to measure on.", metavar="NAME")
    ] = "default",
    judgements: Judgements = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            help="One way of searching, NAME={JSON of the arguments of a search} or the path of a "
            "file with that JSON; several are compared with the first; without it the "
            "collection's defaults, which are also called `default`.",
            metavar="SETTINGS",
            show_default=False,
        ),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Instead of {', '.join(DEFAULT_MEASURES)}; the first orders the queries.",
            show_default=False,
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="Documents to look at of each query; without it as needed.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="How many of the worst queries to show.")] = 10,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Where a report is written, .md, .html or .json.", metavar="PATH"),
    ] = None,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Do not keep what was measured.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling.")] = 0,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Measure how good searching a collection is, on queries whose answers are known."""
    ways = [SearchSettings.read(each) for each in settings or ["default"]]
    names = measure_names(measure or DEFAULT_MEASURES)
    judged = given_judgements(judgements)
    for path in report or []:
        check_report(path)
    with open_retriever(database_url, tenant) as retriever, Phases() as show:
        evaluation = evaluate_settings(
            retriever,
            collection,
            golden_set=golden_set,
            judgements=judged,
            settings=ways,
            measures=names,
            depth=depth,
            store=not no_store,
            seed=seed,
            on_progress=lambda phase, done, total: show(escape(phase), done, total),
        )
    for path in report or []:
        write_report(evaluation, path)
    if json:
        print_json(asdict(evaluation))
        return
    _print_evaluation(evaluation, worst)
    for path in report or []:
        say(f"the report is in {path}")


def _print_evaluation(evaluation: Evaluation, worst: int) -> None:
    say(said.heading(evaluation))
    for warning in evaluation.warnings:
        errors.print(Text(f"warning: {warning}"), soft_wrap=True)
    _print_measures(evaluation)
    if evaluation.differences:
        _print_differences(evaluation)
    if worst:
        _print_worst(evaluation, worst)
    stored = [str(each.evaluation_id) for each in evaluation.settings if each.evaluation_id]
    if stored:
        say(f"kept as evaluation {', '.join(stored)}")


def _print_measures(evaluation: Evaluation) -> None:
    listed = table("settings", *evaluation.measures, "p50 ms", "p95 ms")
    for each in evaluation.settings:
        means = (Text(said.measured(each.measures[name])) for name in evaluation.measures)
        listed.add_row(Text(each.name), *means, f"{each.p50:.1f}", f"{each.p95:.1f}")
    print_table(listed)


def _print_differences(evaluation: Evaluation) -> None:
    say(f"\nagainst {evaluation.settings[0].name} ({said.about_p_values(evaluation)})")
    listed = table("settings", "measure", "difference", "p")
    for each in evaluation.differences:
        change, p_value = Text(said.changed(each.difference)), said.p_value(each.p_value)
        listed.add_row(Text(each.latter), each.measure, change, p_value)
    print_table(listed)


def _print_worst(evaluation: Evaluation, worst: int) -> None:
    first, measure = evaluation.settings[0], evaluation.measures[0]
    say(f"\nthe worst queries by {measure} of {first.name}")
    names = [Text(each.name) for each in evaluation.settings]
    listed = table("key", "query")
    for name in names:
        listed.add_column(name)
    listed.add_column("first relevant")
    for key in evaluation.worst(worst):
        query = snippet(evaluation.judgements.queries[key], LONGEST_QUERY)
        means = (f"{each.queries[key].measures[measure]:.3f}" for each in evaluation.settings)
        rank = said.first_relevant(evaluation, first, key)
        listed.add_row(Text(key), Text(query), *means, rank)
    print_table(listed)
