"""A measure over time, drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retrieval.evaluation.figures import plain, quiet
from retrieval.evaluation.history import RecordedEvaluation, golden_set_of


def plot_evaluations(recorded: Sequence[RecordedEvaluation], measure: str, path: Path) -> None:
    """Save a measure over time, a line for each of the settings on each golden set, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    lines: dict[str, list[RecordedEvaluation]] = {}
    for each in reversed(recorded):
        if each.mean(measure) is not None:
            lines.setdefault(plain(f"{each.name} on {golden_set_of(each)}"), []).append(each)
    for label, runs in lines.items():
        times: list[Any] = [run.created_at for run in runs]
        means: list[Any] = [run.mean(measure) for run in runs]
        errors = [[_error(run, measure, end) for run in runs] for end in ("low", "high")]
        axes.errorbar(times, means, errors, marker="o", capsize=3, label=label)
    axes.set(ylabel=measure, title=f"{measure} over time")
    axes.tick_params(axis="x", rotation=30)
    if lines:
        axes.legend(fontsize="small")
    with quiet():
        figure.savefig(path, dpi=150, format="png")


def _error(run: RecordedEvaluation, measure: str, end: str) -> float:
    """How far an end of the interval is from the mean."""
    mean, bound = run.mean(measure), run.measures[measure].get(end)
    return 0.0 if mean is None or bound is None else abs(mean - bound)
