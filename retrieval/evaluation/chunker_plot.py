"""Recall of known answers against the size of chunks."""

from itertools import groupby
from pathlib import Path

from retrieval.evaluation.chunker_comparison import MIDDLE, ChunkerComparison, ChunkerResult


def plot_chunkers(comparison: ChunkerComparison, path: Path) -> None:
    """Save recall in 1,000 tokens against the mean size of chunks as a PNG, a line a strategy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    tried = [each for each in comparison.results if each.budget_recall is not None]
    for strategy, some in groupby(sorted(tried, key=_strategy), _strategy):
        results = sorted(some, key=lambda each: each.mean_tokens)
        axes.plot(
            [each.mean_tokens for each in results],
            [_recall(each) for each in results],
            marker="o",
            label=strategy,
        )
    for each in tried:
        if each.is_own:
            axes.plot(each.mean_tokens, _recall(each), "o", fillstyle="none", ms=14, color="black")
    axes.set(
        xscale="log",
        xlabel="mean tokens of a chunk",
        ylabel=f"answers found in {MIDDLE:,} tokens",
        title=f"{comparison.collection}: {comparison.queries} queries",
    )
    axes.legend()
    figure.savefig(path, dpi=150, format="png")


def _strategy(result: ChunkerResult) -> str:
    return result.chunker.partition(":")[0]


def _recall(result: ChunkerResult) -> float:
    return (result.budget_recall or {})[MIDDLE]
