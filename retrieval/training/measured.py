"""How well a model ranks the held-out queries, and what training gained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from retrieval.evaluation.measures import measure_rankings
from retrieval.evaluation.significance import (
    Difference,
    Interval,
    confidence_interval,
    paired_difference,
)
from retrieval.golden_sets.judgements import Judgements

MEASURES = ("nDCG@10", "RR@10", "R@100")

Ranked = Mapping[str, Sequence[str]]
ByQuery = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over the held-out queries, with their 95 % intervals; None of a single query."""

    means: Mapping[str, float]
    intervals: Mapping[str, Interval | None]
    by_query: ByQuery = field(repr=False, default_factory=dict)

    @classmethod
    def of(cls, by_query: ByQuery) -> Self:
        """From what each query scores."""
        values = {name: [each[name] for each in by_query.values()] for name in MEASURES}
        return cls(
            {name: float(np.mean(each)) for name, each in values.items()},
            {name: confidence_interval(each) for name, each in values.items()},
            by_query,
        )


def measured(judgements: Judgements, ranked: Ranked) -> Measured:
    """The measures of rankings of document keys, best first."""
    return Measured.of(measure_rankings(judgements.relevance, ranked, MEASURES))


def gained(former: Measured, latter: Measured) -> dict[str, Difference]:
    """What the latter has more, by measure, query by query."""
    return {
        name: paired_difference(
            [each[name] for each in former.by_query.values()],
            [each[name] for each in latter.by_query.values()],
        )
        for name in MEASURES
    }
