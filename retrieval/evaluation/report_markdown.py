"""An evaluation as Markdown."""

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence

from retrieval.evaluation import report_text as said
from retrieval.evaluation.results import Evaluation

WORST = 50
MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")


def markdown_report(evaluation: Evaluation, worst: int = WORST) -> str:
    """The report, of whose queries so many are listed, worst first."""
    return "\n".join(_lines(evaluation, worst)) + "\n"


def escape(text: str) -> str:
    """A text that shows as it is in one line of Markdown, or in a cell."""
    return MARKS.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _lines(evaluation: Evaluation, worst: int) -> Iterator[str]:
    names, results = evaluation.measures, evaluation.settings
    yield f"# {escape(said.heading(evaluation))}"
    yield ""
    for warning in evaluation.warnings:
        yield f"> **{escape(warning)}**\n"
    yield from _table(
        ["settings", *names, "p50 ms", "p95 ms"],
        (
            [
                escape(each.name),
                *(said.measured(each.measures[name]) for name in names),
                f"{each.p50:.1f}",
                f"{each.p95:.1f}",
            ]
            for each in results
        ),
    )
    if evaluation.differences:
        yield from ("", f"## Against {escape(results[0].name)}", "")
        yield from _table(
            ["settings", "measure", "difference", "p"],
            (
                [
                    escape(each.latter),
                    each.measure,
                    said.changed(each.difference),
                    said.p_value(each.p_value),
                ]
                for each in evaluation.differences
            ),
        )
        yield from ("", said.about_p_values(evaluation))
    yield from ("", f"## The worst queries by {names[0]} of {escape(results[0].name)}", "")
    yield from _queries(evaluation, worst)
    yield from ("", "## To repeat it", "")
    yield from _table(
        ["", ""], ([escape(name), escape(fact)] for name, fact in said.facts(evaluation))
    )
    for each in results:
        arguments = json.dumps(each.arguments, ensure_ascii=False)
        stored = f" (evaluation {each.evaluation_id})" if each.evaluation_id else ""
        yield f"\n{escape(each.name)}{stored}: {escape(arguments)}"


def _queries(evaluation: Evaluation, worst: int) -> Iterator[str]:
    measure, results = evaluation.measures[0], evaluation.settings
    columns = [f"{escape(each.name)}, first relevant" for each in results]
    yield from _table(
        ["key", "query", *columns],
        (
            [
                escape(key),
                escape(evaluation.judgements.queries[key]),
                *(
                    f"{each.queries[key].measures[measure]:.3f}, "
                    f"{said.first_relevant(evaluation, each, key)}"
                    for each in results
                ),
            ]
            for key in evaluation.worst(worst)
        ),
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
