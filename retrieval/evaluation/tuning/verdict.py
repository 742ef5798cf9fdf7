"""Whether a setting is kept, by what it does on queries that nothing was chosen by."""

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.evaluation.significance import Difference, paired_difference
from retrieval.evaluation.tuning.measured import Measured
from retrieval.evaluation.tuning.tuned import Trial

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a setting is kept, and why in words."""

    kept: bool
    reason: str
    difference: Difference | None = None


def verdict(
    measure: str, current: Measured, chosen: Measured, max_latency: float | None, *, seed: int
) -> Verdict:
    """Compare both on the same held-out queries.

    Kept is what gains significantly: the 95 % interval of the gain is above 0, and the
    randomisation test agrees. Nor may it be slower than the limit.
    """
    keys = list(current.scores)
    difference = paired_difference(
        [current.scores[key] for key in keys], [chosen.scores[key] for key in keys], seed=seed
    )
    gain, on = difference.mean, f"on {len(keys)} held-out queries"
    if not _is_significant(difference):
        return Verdict(False, f"not kept: {_insignificant(difference, on)}", difference)
    if gain < 0:
        reason = f"not kept: {on} it loses {-gain:.3f} {_certainty(difference)}"
        return Verdict(False, reason, difference)
    if max_latency is not None and chosen.latency > max_latency:
        reason = (
            f"not kept: {on} it gains {gain:+.3f}, but 95 % of the searches took up to "
            f"{chosen.latency:.1f} ms, which is over the limit of {max_latency:g} ms"
        )
        return Verdict(False, reason, difference)
    reason = (
        f"kept: {on} {measure} rises from {current.mean:.3f} to {chosen.mean:.3f}, "
        f"by {gain:+.3f} {_certainty(difference)}"
    )
    return Verdict(True, reason, difference)


def nothing_better(trials: Sequence[Trial], max_latency: float | None, none_within: bool) -> str:
    """Why there is nothing to judge."""
    tried = f"of {len(trials)} settings tried"
    if none_within and max_latency is not None:
        fastest = min(trials, key=lambda trial: trial.latency)
        return (
            f"not kept: {tried}, none answers 95 % of the searches within {max_latency:g} ms; the "
            f"fastest takes up to {fastest.latency:.1f} ms"
        )
    return f"not kept: {tried}, none is better than the current one on the queries to learn from"


def _is_significant(difference: Difference) -> bool:
    interval, p_value = difference.interval, difference.p_value
    if interval is None or p_value is None:
        return False
    return p_value < SIGNIFICANT and not interval.low <= 0 <= interval.high


def _insignificant(difference: Difference, on: str) -> str:
    if difference.mean == 0:
        return f"{on} it gains nothing"
    what = "gain" if difference.mean > 0 else "loss"
    return f"the {what} of {difference.mean:+.3f} {on} is not significant {_certainty(difference)}"


def _certainty(difference: Difference) -> str:
    if difference.interval is None or difference.p_value is None:
        return "(of one query, nothing is known)"
    low, high = difference.interval.low, difference.interval.high
    p_value = "p < 0.001" if difference.p_value < 0.001 else f"p = {difference.p_value:.2g}"
    return f"(95 % interval {low:+.3f} to {high:+.3f}, {p_value})"
