"""What the queue holds, for people: how far it is, what failed, and how to try again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Float, Integer, Select, Text, column, select

from retrieval import orm


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many chunks are to be embedded for a space, are being so, and could not be.

    `oldest` is since when the oldest of the former two waits, None where none does; `per_minute` is
    how many were embedded by workers in the last five minutes, which tenants are not told.
    """

    collection: str
    space: str
    state: str
    pending: int
    running: int
    failed: int
    oldest: datetime | None
    per_minute: float | None


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A chunk that could not be embedded, and why."""

    job_id: int
    collection: str
    space: str
    document_key: str
    chunk_id: int
    position: int
    error: str
    created_at: datetime


def count_jobs_statement(collection: str | None) -> Select[Any]:
    """The spaces that wait for workers, as the fields of `JobCounts`."""
    found = orm.call("count_jobs", collection=collection).table_valued(
        column("collection_name", Text),
        column("space_name", Text),
        column("space_state", Text),
        column("pending", BigInteger),
        column("running", BigInteger),
        column("failed", BigInteger),
        column("oldest", DateTime(timezone=True)),
        column("per_minute", Float),
    )
    return select(
        found.c.collection_name.label("collection"),
        found.c.space_name.label("space"),
        found.c.space_state.label("state"),
        *(found.c[name] for name in ("pending", "running", "failed", "oldest", "per_minute")),
    )


def failed_jobs_statement(collection: str | None, max_results: int) -> Select[Any]:
    """What was set aside, as the fields of `FailedJob`."""
    found = orm.call("failed_jobs", collection=collection, max_results=max_results).table_valued(
        column("job_id", BigInteger),
        column("collection_name", Text),
        column("space_name", Text),
        column("document_key", Text),
        column("chunk_id", BigInteger),
        column("position", Integer),
        column("error", Text),
        column("created_at", DateTime(timezone=True)),
    )
    return select(
        found.c.job_id,
        found.c.collection_name.label("collection"),
        found.c.space_name.label("space"),
        *(found.c[name] for name in ("document_key", "chunk_id", "position", "error")),
        found.c.created_at,
    )


def retry_jobs_statement(collection: str | None, space: str | None) -> Select[Any]:
    """Make failed jobs due again; the number of them."""
    called = orm.call("retry_jobs", collection=collection, space=space)
    return select(called)
