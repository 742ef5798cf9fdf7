"""`retrieval tune`: how a collection is best searched, kept where that is proven."""

import json as json_format
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.golden_options import Set
from retrieval.cli.judged_options import Judgements, given_judgements
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import print_json, print_table, say, table
from retrieval.cli.phases import Phases
from retrieval.cli.search_options import Leg
from retrieval.cli.space_options import Collection
from retrieval.errors import InvalidInput

if TYPE_CHECKING:
    from retrieval.evaluation.tuning import RankingTuning, Setting


def tune(
    collection: Collection,
    golden_set: Set = "default",
    judgements: Judgements = None,
    trials: Annotated[int, typer.Option(help="How many settings are tried.")] = 100,
    measure: Annotated[str, typer.Option(help="What is to be high, as in RR@10.")] = "nDCG@10",
    max_latency: Annotated[
        float | None,
        typer.Option(help="Milliseconds within which 95 % of searches must be answered."),
    ] = None,
    leg: Leg = None,
    reranker: Annotated[
        list[str] | None,
        typer.Option(help="Reranker that may be used: a hub id or a folder; repeatable."),
    ] = None,
    held_out: Annotated[
        float, typer.Option(help="Share of the queries that only judge what was found.")
    ] = 0.3,
    seed: Annotated[int, typer.Option(help="The same one splits and tries the same.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure, but change nothing.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Where the trials are drawn.", metavar="FOLDER|PATH.png"),
    ] = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Find how a collection is best searched, by its judged queries.

    Searches by default as is found, if that gains significantly on queries that it was not found
    with. The recall of a space's index is tuned by `retrieval spaces tune`.
    """
    from retrieval.evaluation import tuning

    judged = given_judgements(judgements)
    path = _plot_path(plot, collection) if plot else None
    options: dict[str, Any] = {"legs": leg} if leg else {}
    with open_retriever(database_url, tenant) as retriever, Phases() as show:
        tuned = tuning.tune(
            retriever,
            collection,
            golden_set=golden_set,
            judgements=judged,
            measure=measure,
            trials=trials,
            max_latency=max_latency,
            rerankers=reranker or (),
            held_out=held_out,
            seed=seed,
            store=not dry_run,
            on_progress=show,
            **options,
        )
    if path:
        _save_plot(tuned, path)
    if json:
        print_json(asdict(tuned) | {"plot": str(path) if path else None})
    else:
        _print_tuned(tuned, path)


def _plot_path(given: Path, collection: str) -> Path:
    """Refuse at once what could not be written after minutes of measuring."""
    path = given / f"tuning-{collection}.png" if given.is_dir() else given
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise InvalidInput(f"--plot {given} is neither a folder nor a .png in one")
    return path


def _save_plot(tuned: "RankingTuning", path: Path) -> None:
    from retrieval.evaluation.tuning.plot import plot_ranking_tuning

    try:
        plot_ranking_tuning(tuned, path)
    except OSError as error:
        raise InvalidInput(f"--plot {path} cannot be written ({error.strerror})") from error


def _print_tuned(tuned: "RankingTuning", path: Path | None) -> None:
    queries, stopped = tuned.queries, sum(trial.stopped for trial in tuned.trials)
    say(
        f"{len(tuned.trials)} settings tried on {queries.explored} queries, {stopped} of them "
        f"stopped early; chosen with {queries.validated} more, judged on {queries.held_out} others"
    )
    measured = table("setting", f"{tuned.measure}, learned", "held out", "95 % of searches in")
    _add(measured, "current", tuned.current)
    if tuned.chosen is not None:
        _add(measured, "chosen", tuned.chosen)
    print_table(measured)
    say(tuned.reason)
    if tuned.stored:
        say("stored: searches of the collection rank so from now on")
    elif tuned.kept:
        say("dry run: nothing was changed")
    if tuned.chosen is not None:
        _print_ways(tuned, tuned.chosen.arguments)
    if path:
        say(f"the trials are drawn in {path}")


def _add(measured: Any, name: str, setting: "Setting") -> None:
    held_out = "-" if setting.held_out is None else f"{setting.held_out:.4f}"
    latency = setting.held_out_latency or setting.learned_latency
    measured.add_row(name, f"{setting.learned:.4f}", held_out, f"{latency:.1f} ms")


def _print_ways(tuned: "RankingTuning", arguments: Mapping[str, Any]) -> None:
    settings = quote(f"tuned={json_format.dumps(arguments)}")
    say("to measure it again:")
    say(f"  retrieval evaluate {quote(tuned.collection)} --settings default --settings {settings}")
    say("to set it:")
    for statement in tuned.statements:
        say(f"  {statement}")
