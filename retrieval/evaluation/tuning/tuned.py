"""What a tuning has tried, what it has found, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retrieval.evaluation.significance import Difference


@dataclass(frozen=True, slots=True)
class Queries:
    """How many queries were used for what; no query for two of these.

    Settings are tried on the `explored`, the best of them chosen with the `validated` as well, and
    judged on the `held_out`. Where `disjoint`, these share no relevant document with the others.
    """

    explored: int
    validated: int
    held_out: int
    disjoint: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting that was tried, on the explored queries; where `stopped`, on the first of them.

    `latency` is how many milliseconds are enough for 95 % of the searches.
    """

    number: int
    arguments: Mapping[str, Any]
    score: float
    latency: float
    stopped: bool
    within_limit: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """Arguments of a search, and what they reach; on held-out queries None where not measured."""

    arguments: Mapping[str, Any]
    learned: float
    learned_latency: float
    held_out: float | None = None
    held_out_latency: float | None = None


@dataclass(frozen=True, slots=True)
class RankingTuning:
    """How a collection is best searched, by its judged queries, and whether that was kept.

    `chosen` is the best setting on the queries that were learned from, None where none was better
    than the `current` one; `difference` is what it gains on the held-out queries. `reason` says in
    words why it was `kept` or was not; `stored` is False as well where only a dry run was asked
    for. `statements` are the SQL that sets the chosen one. `importance` is the share of a parameter
    in how differently the trials did (fANOVA: Hutter, Hoos and Leyton-Brown, ICML 2014).

    Not to be mixed up with the tuning of a space's index, `retriever.spaces.tune`.
    """

    collection: str
    measure: str
    max_latency: float | None
    seed: int
    queries: Queries
    trials: Sequence[Trial]
    current: Setting
    chosen: Setting | None = None
    difference: Difference | None = None
    kept: bool = False
    reason: str = ""
    stored: bool = False
    statements: Sequence[str] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
