"""Builds the vector index of a space while it is read and written."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from retrieval import orm
from retrieval.database import from_database_error
from retrieval.errors import DatabaseError
from retrieval.spaces.progress import BUILDING, Progress, silent
from retrieval.spaces.summary import space_row
from retrieval.steps import Query, Steps

POLL_SECONDS = 0.5
# disk_full is what a server says whose shared memory is too small for parallel workers
OUT_OF_MEMORY = ("53200", "53100")


def build_index_steps(
    collection: str,
    space: str | None,
    kind: str,
    memory: str | None,
    progress: Progress = silent,
) -> Steps[bool]:
    """Build the index unless there is a valid one; returns whether it was built.

    `memory` is the server's maintenance_work_mem for the build, such as "4GB". Without a
    connection of the caller's the build is concurrent: nobody waits for it. One that was
    interrupted leaves an invalid index behind, which the next one replaces.
    """
    progress(BUILDING, 0, 1)
    row = yield Query(partial(space_row, collection=collection, space=space, kind=kind))
    build = partial(_build, collection=collection, row=row, memory=memory)
    built: bool = yield Query(build, autocommit=True)
    progress(BUILDING, 1, 1)
    return built


def _build(connection: Connection, collection: str, row: Any, memory: str | None) -> bool:
    target = {"collection": collection, "space": row.name, "kind": row.kind}
    with _memory(connection, memory), _clear_failure():
        if not _is_autocommit(connection):
            connection.execute(select(orm.call("build_index", **target)))
            return not row.indexed
        with _lock(connection, row.space_id):
            called = orm.call("index_statements", **target).column_valued("statement")
            statements = connection.scalars(select(called)).all()
            try:
                for statement in statements:
                    connection.exec_driver_sql(statement)
            finally:
                if statements and not connection.invalidated:
                    connection.exec_driver_sql("reset search_path")
            return bool(statements)


def _is_autocommit(connection: Connection) -> bool:
    """Ask the driver: SQLAlchemy asks the server, which knows of no autocommit."""
    return bool(connection.connection.driver_connection.autocommit)  # type: ignore[union-attr]


@contextmanager
def _memory(connection: Connection, memory: str | None) -> Iterator[None]:
    if memory is None:
        yield
        return
    local = not _is_autocommit(connection)
    change = text("select set_config('maintenance_work_mem', :memory, :local)")
    before = connection.scalar(text("show maintenance_work_mem"))
    connection.execute(change, {"memory": memory, "local": local})
    done = False
    try:
        yield
        done = True
    finally:
        # a transaction that failed takes no other statement, and its rollback takes this one back
        if (done or not local) and not connection.invalidated:
            connection.execute(change, {"memory": before, "local": local})


@contextmanager
def _lock(connection: Connection, space_id: int) -> Iterator[None]:
    """Wait until nobody else builds this index, without a transaction that the other waits for."""
    lock = "select pg_{}(retrieval._index_lock(s)) from retrieval.spaces s where s.space_id = :id"
    while connection.scalar(text(lock.format("try_advisory_lock")), {"id": space_id}) is False:
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.execute(text(lock.format("advisory_unlock")), {"id": space_id})


@contextmanager
def _clear_failure() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in OUT_OF_MEMORY:
            raise
        raise DatabaseError(
            f"the server refused the memory for the index build: {from_database_error(error)}; "
            "the space is as it was: build again with less memory, give the server more shared "
            "memory, or set max_parallel_maintenance_workers to 0"
        ) from error
