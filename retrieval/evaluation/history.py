"""The evaluations that were recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, Float, Integer, Text, column, select
from sqlalchemy.dialects.postgresql import JSONB

from retrieval import orm
from retrieval.search import Retriever

# of the context, what two runs must share for their means to be of the same thing
SAME = ("judgements", "depth")


@dataclass(frozen=True, slots=True)
class RecordedEvaluation:
    """What settings reached on a golden set at a time; `measures` have mean, low and high."""

    evaluation_id: int
    golden_set: str | None
    golden_set_version: int | None
    name: str
    settings: Mapping[str, Any]
    context: Mapping[str, Any]
    measures: Mapping[str, Mapping[str, float | None]]
    queries: int
    created_at: datetime

    @property
    def measured(self) -> list[str]:
        """The measures in the order in which they were asked for, which JSON does not keep."""
        asked = [name for name in self.context.get("measures", []) if name in self.measures]
        return asked or sorted(self.measures)

    def mean(self, measure: str) -> float | None:
        """The mean of a measure; None where it was not measured."""
        return self.measures.get(measure, {}).get("mean")

    def is_comparable(self, other: "RecordedEvaluation") -> bool:
        """Whether the same was measured: settings of the name, on the same judgements and depth."""
        same = all(self.context.get(key) == other.context.get(key) for key in SAME)
        return same and self.name == other.name and self.golden_set == other.golden_set


def recorded_evaluations(
    retriever: Retriever,
    collection: str,
    golden_set: str | None = None,
    *,
    evaluation_ids: Sequence[int] | None = None,
    max_results: int = 50,
) -> list[RecordedEvaluation]:
    """The evaluations of a collection, newest first; of one golden set where it is named."""
    called = orm.call(
        "list_evaluations",
        collection=collection,
        golden_set=golden_set,
        max_results=max_results,
        evaluation_ids=None if evaluation_ids is None else list(evaluation_ids),
    ).table_valued(
        column("evaluation_id", BigInteger),
        column("golden_set_name", Text),
        column("golden_set_version", Integer),
        column("name", Text),
        column("settings", JSONB),
        column("context", JSONB),
        column("measures", JSONB),
        column("queries", BigInteger),
        column("created_at", DateTime(timezone=True)),
        name="evaluations",
    )
    return [RecordedEvaluation(*row) for row in retriever.read(select(*called.c))]


def query_measures(
    retriever: Retriever, collection: str, evaluation_id: int
) -> dict[str, dict[str, float]]:
    """What an evaluation measured, by query key and then by measure."""
    called = orm.call(
        "evaluation_queries", collection=collection, evaluation_id=evaluation_id
    ).table_valued(
        column("query_key", Text),
        column("query_text", Text),
        column("measures", JSONB),
        column("milliseconds", Float),
        column("document_keys", ARRAY(Text)),
        name="evaluation_queries",
    )
    rows = retriever.read(select(called.c.query_key, called.c.measures))
    return {row.query_key: row.measures for row in rows}


def previous(
    evaluation: RecordedEvaluation, recorded: Sequence[RecordedEvaluation]
) -> RecordedEvaluation | None:
    """The last comparable run before one."""
    before = [
        each
        for each in recorded
        if each.evaluation_id < evaluation.evaluation_id and evaluation.is_comparable(each)
    ]
    return max(before, key=lambda each: each.evaluation_id, default=None)


def golden_set_of(evaluation: RecordedEvaluation) -> str:
    """What was measured on: a golden set with its version, or judgements that are not stored.

    Of queries that people did not ask it says so.
    """
    if evaluation.golden_set is None:
        return f"judgements {str(evaluation.context.get('judgements'))[:8]}"
    origin = evaluation.context.get("origin")
    of_origin = f" ({origin})" if origin and origin != "human" else ""
    return f"{evaluation.golden_set} v{evaluation.golden_set_version}{of_origin}"
