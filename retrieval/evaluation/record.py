"""Evaluations in the database."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, null, select

from retrieval import orm
from retrieval.evaluation.results import Evaluation, Measured, SettingsResult
from retrieval.search import Retriever
from retrieval.steps import Query, Steps

# of each query; the measures have seen more
KEPT_DOCUMENTS = 10


def record(retriever: Retriever, evaluation: Evaluation) -> list[SettingsResult]:
    """Store what each of the settings reached, all or none; they come back with their ids."""
    statements = [_statement(evaluation, each) for each in evaluation.settings]

    def run(connection: Connection) -> list[int]:
        return [connection.execute(each).scalar_one() for each in statements]

    def steps() -> Steps[list[int]]:
        recorded: list[int] = yield Query(run)
        return recorded

    recorded = retriever._drive(steps(), None)
    return [
        replace(each, evaluation_id=evaluation_id)
        for each, evaluation_id in zip(evaluation.settings, recorded, strict=True)
    ]


def _statement(evaluation: Evaluation, result: SettingsResult) -> Select[Any]:
    own = {"p50": result.p50, "p95": result.p95}
    called = orm.call(
        "record_evaluation",
        collection=evaluation.collection,
        golden_set=_or_null(evaluation.golden_set),
        golden_set_version=_or_null(evaluation.version),
        name=result.name,
        settings=dict(result.arguments),
        context=dict(evaluation.context) | own,
        measures={name: _measured(each) for name, each in result.measures.items()},
        queries=_queries(evaluation.judgements.queries, result),
    )
    return select(called)


def _or_null(value: Any) -> Any:
    return null() if value is None else value


def _measured(measured: Measured) -> dict[str, float | None]:
    interval = measured.interval
    return {
        "mean": measured.mean,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }


def _queries(texts: Mapping[str, str], result: SettingsResult) -> list[dict[str, Any]]:
    return [
        {
            "query_key": key,
            "query_text": texts[key],
            "measures": dict(each.measures),
            "milliseconds": each.milliseconds,
            "document_keys": each.document_keys[:KEPT_DOCUMENTS],
        }
        for key, each in result.queries.items()
    ]
