"""The tuning of a ranking as a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.evaluation.tuning.tuned import RankingTuning


def plot_ranking_tuning(tuning: RankingTuning, path: Path) -> None:
    """Save the trials one after the other, their quality against time, and what mattered, as PNG.

    Trials that were stopped are left out: they were measured on other queries.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    history, cost, importance = figure.subplots(1, 3)
    _history(history, tuning)
    _cost(cost, tuning)
    _importance(importance, tuning)
    figure.suptitle(f"{tuning.collection}: {tuning.reason}", wrap=True, fontsize="medium")
    figure.savefig(path, dpi=150, format="png")


def _history(axes: Any, tuning: RankingTuning) -> None:
    ended = [trial for trial in tuning.trials if not trial.stopped and trial.within_limit]
    numbers = [trial.number for trial in ended]
    scores = [trial.score for trial in ended]
    axes.plot(numbers, scores, ".")
    if scores:
        axes.step(numbers, np.maximum.accumulate(scores), where="post", label="best so far")
        axes.legend()
    axes.set(xlabel="trial", ylabel=f"{tuning.measure}, {tuning.queries.explored} queries")


def _cost(axes: Any, tuning: RankingTuning) -> None:
    ended = [trial for trial in tuning.trials if not trial.stopped]
    axes.plot([trial.latency for trial in ended], [trial.score for trial in ended], ".")
    for name, setting in (("current", tuning.current), ("chosen", tuning.chosen)):
        if setting is not None:
            axes.plot(setting.learned_latency, setting.learned, "o", label=f"{name}, all queries")
    if tuning.max_latency is not None:
        axes.axvline(tuning.max_latency, linestyle=":", color="grey")
    axes.set(xlabel="milliseconds, 95 % of searches", ylabel=tuning.measure)
    axes.legend()


def _importance(axes: Any, tuning: RankingTuning) -> None:
    names = sorted(tuning.importance, key=lambda name: tuning.importance[name])
    axes.barh(names, [tuning.importance[name] for name in names])
    axes.set(xlabel="importance", xlim=(0, 1))
