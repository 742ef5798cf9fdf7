"""The figures of a report, as data URIs, so that the report is one file."""

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from retrieval.evaluation.results import Evaluation

LONGEST_NAME = 60


def measures_figure(evaluation: Evaluation) -> str:
    """The means with their intervals: a group of bars for each measure."""
    figure, axes = _figure(8, 4.2)
    width = 0.8 / len(evaluation.settings)
    for place, result in enumerate(evaluation.settings):
        shown = [result.measures[name] for name in evaluation.measures]
        means = [each.mean for each in shown]
        errors = [
            [each.mean - each.interval.low if each.interval else 0 for each in shown],
            [each.interval.high - each.mean if each.interval else 0 for each in shown],
        ]
        left = [index - 0.4 + width * (place + 0.5) for index in range(len(shown))]
        bars = {"yerr": errors, "capsize": 3, "color": f"C{place}", "label": plain(result.name)}
        axes.bar(left, means, width * 0.92, **bars)
    axes.set_xticks(range(len(evaluation.measures)), evaluation.measures)
    axes.set(ylim=(0, 1), title="means with 95 % intervals")
    _legend(axes)
    return _data_uri(figure)


def differences_figure(evaluation: Evaluation) -> str | None:
    """What each query gains by the first measure, sorted; None for one way of searching."""
    first, *others = evaluation.settings
    if not others:
        return None
    name = evaluation.measures[0]
    figure, axes = _figure(8, 3.6)
    for place, other in enumerate(others, 1):  # in the colour that it has elsewhere
        gains = sorted(
            (
                other.queries[key].measures[name] - first.queries[key].measures[name]
                for key in first.queries
            ),
            reverse=True,
        )
        drawn = {"where": "mid", "color": f"C{place}", "label": plain(other.name)}
        axes.step(range(1, len(gains) + 1), gains, **drawn)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set(
        xlabel="queries, by what they gain",
        ylabel=f"{name} above {plain(first.name)}",
        title="what each query gains or loses",
    )
    _legend(axes)
    return _data_uri(figure)


def latency_figure(evaluation: Evaluation) -> str:
    """The share of the searches that took at most so long."""
    figure, axes = _figure(8, 3.2)
    for result in evaluation.settings:
        times = [each.milliseconds for each in result.queries.values()]
        axes.ecdf(times, label=plain(result.name))
    axes.set(xlabel="milliseconds", ylabel="share of searches", title="latency")
    _legend(axes)
    return _data_uri(figure)


def plain(text: str) -> str:
    """A label that matplotlib shows as it is: no formula, none that it leaves out, not too long."""
    shown = text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
    return (f" {shown}" if shown.startswith("_") else shown).replace("$", r"\$")


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing of characters that the font does not have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _legend(axes: Any) -> None:
    axes.legend(fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)


def _data_uri(figure: Any) -> str:
    """As SVG in an image, in which no script runs."""
    written = io.BytesIO()
    with quiet():
        figure.savefig(written, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"
