"""What an evaluation finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retrieval.evaluation.significance import Difference, Interval
from retrieval.golden_sets.judgements import Judgements


@dataclass(frozen=True, slots=True)
class Measured:
    """The mean of a measure over the queries, and how sure it is, which of one is not known."""

    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What settings found for one query: documents, best first, and how long that took."""

    measures: Mapping[str, float]
    milliseconds: float
    document_keys: list[str]


@dataclass(frozen=True, slots=True)
class SettingsResult:
    """What one way of searching reached; latencies are of single searches, in milliseconds."""

    name: str
    arguments: Mapping[str, Any]
    measures: Mapping[str, Measured]
    queries: Mapping[str, QueryResult]
    p50: float
    p95: float
    evaluation_id: int | None = None


@dataclass(frozen=True, slots=True)
class ComparedSettings:
    """What settings gain over the first ones by one measure.

    `p_value` is adjusted for the number of settings that are compared with the first ones; that of
    the difference is not.
    """

    measure: str
    former: str
    latter: str
    difference: Difference
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What several ways of searching reached on the same queries.

    `golden_set` is None for judgements that are not stored. `judgements` are those measured on,
    which are the ones of queries with a relevant document. `warnings` say what the numbers suffer
    from; `context` is what else it takes to repeat them.
    """

    collection: str
    golden_set: str | None
    version: int | None
    origin: str | None
    judgements: Judgements
    measures: list[str]
    settings: list[SettingsResult]
    differences: list[ComparedSettings]
    context: Mapping[str, Any]
    warnings: list[str]

    @property
    def is_synthetic(self) -> bool:
        """Whether the queries were made from the documents, rather than asked by people."""
        return self.origin == "synthetic"

    def worst(self, count: int | None = None) -> list[str]:
        """Query keys by the first measure of the first settings, worst first, ties by key."""
        queries, measure = self.settings[0].queries, self.measures[0]
        ordered = sorted(queries, key=lambda key: (queries[key].measures[measure], key))
        return ordered[:count]
