"""How sure a mean over queries is, and a difference between two ways of searching."""

from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 9_999
FEWEST_RESAMPLES = 1_999
# numbers drawn at most, beyond which there are fewer resamples: many queries need fewer
DRAWN = 20_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a mean over queries."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What a second way of searching gains over a first one, on the same queries.

    `p_value` is that of the two-sided paired randomisation test: how often so large a difference
    would come about if it made none which way each query was searched (Smucker, Allan and
    Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval
    Evaluation", CIKM 2007). Of a single query neither is known.
    """

    mean: float
    interval: Interval | None
    p_value: float | None


def confidence_interval(values: Sequence[float], *, seed: int = 0) -> Interval | None:
    """The 95 % interval of the mean, by the bootstrap over queries; None of fewer than two.

    The percentile method of Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, 13.3.
    """
    import numpy as np
    from scipy import stats

    if len(values) < 2:
        return None
    sample = np.asarray(values, dtype=np.float64)
    if np.ptp(sample) == 0:
        return Interval(float(sample[0]), float(sample[0]))
    found = stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=_resamples(len(sample)),
        batch=500,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def paired_difference(
    former: Sequence[float], latter: Sequence[float], *, seed: int = 0
) -> Difference:
    """Compare two scores of each query, which stand in the same order; there is one at least."""
    import numpy as np
    from scipy import stats

    differences = np.asarray(latter, dtype=np.float64) - np.asarray(former, dtype=np.float64)
    interval = confidence_interval(differences.tolist(), seed=seed)
    if interval is None:
        return Difference(float(differences.mean()), None, None)
    tested = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=_resamples(len(differences)),
        batch=500,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return Difference(float(differences.mean()), interval, float(tested.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values, in their order, adjusted for there being several of them.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6, 1979.
    """
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = least
    return adjusted


def _resamples(values: int) -> int:
    return max(FEWEST_RESAMPLES, min(RESAMPLES, DRAWN // values))
