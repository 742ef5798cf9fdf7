"""Logging and reports as steps, which the synchronous and the asynchronous retriever run alike."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, null, select

from retrieval import orm
from retrieval.loading.normalise import normalise_text
from retrieval.signals.shown import shown, told
from retrieval.steps import Query, Read, Result, Steps

if TYPE_CHECKING:
    from retrieval.search.results import DocumentHit, Hit

BATCH = 10_000  # rows that a transaction removes


def set_logging_steps(collection: str, retention: timedelta | None) -> Steps[None]:
    """Turn logging on for so long, or off."""
    called = orm.call(
        "set_query_logging",
        collection=collection,
        retention=null() if retention is None else retention,
    )
    yield from _written(called)


def logging_steps(collection: str) -> Steps[bool]:
    """Whether queries of a collection are logged."""
    statement = select(orm.call("collection_settings", collection=collection))
    settings = yield Read(lambda connection: connection.scalar(statement))
    return bool(settings.get("query_logging", {}).get("enabled"))


def log_query_steps(
    collection: str,
    query: str,
    hits: "Sequence[Hit | DocumentHit]",
    details: Mapping[str, Any] | None,
    query_id: str | None,
    *,
    own_transaction: bool,
) -> Steps[str | None]:
    """Log a query with what was shown; its id."""
    keys, scores, scored_by = shown(hits)
    called = orm.call(
        "log_query",
        collection=collection,
        query_text=normalise_text(query),
        document_keys=keys,
        scores=scores,
        details=told(details, scored_by),
        query_id=query_id,
    )
    logged = yield from _logged(called, own_transaction)
    return None if logged is None else str(logged)


def log_click_steps(
    query_id: str, document_key: str, collection: str | None, *, own_transaction: bool
) -> Steps[bool]:
    """Log a click; whether it is new."""
    called = orm.call(
        "log_click", query_id=query_id, document_key=document_key, collection=collection
    )
    return bool((yield from _logged(called, own_transaction)))


def forget_steps(collection: str, before: datetime | None, query: str | None) -> Steps[int]:
    """Remove what was logged; how many queries."""
    text = None if query is None else normalise_text(query)
    called = orm.call("forget_queries", collection=collection, before=before, query_text=text)
    return int((yield from _written(called)))


def report_steps(function: str, kind: type[Result], **arguments: Any) -> Steps[list[Result]]:
    """The rows of a report, as the dataclass that has its columns."""
    columns = [each.name for each in fields(cast(Any, kind))]
    statement = select(*orm.call(function, **arguments).table_valued(*columns).c)
    found = yield Read(lambda connection: connection.execute(statement).all())
    return [kind(**row._mapping) for row in found]


def trim_steps() -> Steps[int]:
    """Remove what has been kept for long enough, of all collections; how many queries."""
    removed = 0
    while True:
        batch: int = yield from _written(orm.call("trim_query_log", maximum_rows=BATCH))
        removed += batch
        if batch < BATCH:
            return removed


def _logged(called: Any, own_transaction: bool) -> Steps[Any]:
    """Without waiting for the disk, which a line of a log is not worth; a caller may differ."""
    if not own_transaction:
        return (yield from _written(called))
    no_wait = func.set_config("synchronous_commit", "off", True)
    row = yield Query(lambda connection: connection.execute(select(no_wait, called)).one())
    return row[1]


def _written(called: Any) -> Steps[Any]:
    written = yield Query(lambda connection: connection.scalar(select(called)))
    return written
