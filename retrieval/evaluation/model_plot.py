"""Quality against cost, of embedding models."""

from itertools import groupby
from pathlib import Path

from retrieval.evaluation.model_comparison import ModelComparison, ModelResult

BYTES_PER_MEGABYTE = 1_000_000


def plot_models(comparison: ModelComparison, path: Path) -> None:
    """Save nDCG@10 against storage and against speed as a PNG; a line joins a model's truncations.

    The bars are 95 % intervals.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    storage, speed = figure.subplots(1, 2, sharey=True)
    for model, results in groupby(comparison.results, lambda each: each.model):
        rows = list(results)
        stored = [each for each in rows if each.storage_bytes is not None]
        storage.errorbar(
            [(each.storage_bytes or 0) / BYTES_PER_MEGABYTE for each in stored],
            [each.ndcg for each in stored],
            _bars(stored),
            marker="o",
            capsize=3,
            label=model,
        )
        for each in stored:
            place = ((each.storage_bytes or 0) / BYTES_PER_MEGABYTE, each.ndcg)
            storage.annotate(str(each.dimensions), place, (4, 4), textcoords="offset points")
        full = rows[:1]
        speed.errorbar(
            [each.chunks_per_second for each in full],
            [each.ndcg for each in full],
            _bars(full),
            marker="o",
            capsize=3,
        )
    storage.set(xscale="log", xlabel="megabytes of the whole collection", ylabel="nDCG@10")
    speed.set(xscale="log", xlabel="chunks embedded in a second, here")
    storage.legend()
    extent = "all" if comparison.is_whole else f"a sample of {comparison.documents}"
    figure.suptitle(f"{comparison.collection}: {comparison.queries} queries, {extent} documents")
    figure.savefig(path, dpi=150, format="png")


def _bars(results: list[ModelResult]) -> list[list[float]] | None:
    """How far the intervals reach below and above the means; none of a single query."""
    intervals = [each.ndcg_interval for each in results]
    if None in intervals:
        return None
    pairs = [(each.ndcg, each.ndcg_interval) for each in results]
    return [
        [mean - interval.low for mean, interval in pairs if interval],
        [interval.high - mean for mean, interval in pairs if interval],
    ]
