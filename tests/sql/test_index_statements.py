"""Indexes are built while a space is written, and by one session at a time."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import psycopg
import pytest
from statements import column, failure, value, vector, wait_until_blocked
from vectors import create_space, embed, halves, put_chunks

Connect = Callable[..., psycopg.Connection]
STATEMENTS = "select retrieval.index_statements('c', 's')"
BUILD = "select retrieval.build_index('c', 's')"
SEARCH = "select * from retrieval.semantic_search('c', %s, null, 1, 's')"
INDEX = """select i.indexrelid, i.indisvalid from pg_index i join retrieval.spaces s on
           i.indexrelid = to_regclass('retrieval.embeddings_' || s.space_id || '_index')"""
NAME = f"select indexrelid::regclass::text from ({INDEX}) i"
PROGRESS = "select * from retrieval.index_progress('c', 's')"
LOCK = "select pg_advisory_{}(retrieval._index_lock(s)) from retrieval.spaces s"
VECTORS = halves(np.random.default_rng(1).normal(size=(300, 8)))


def build(session: psycopg.Connection) -> list[str]:
    statements = column(session, STATEMENTS)
    for statement in statements:
        session.execute(statement)
    return statements


def make(session: psycopg.Connection, **arguments: object) -> list[int]:
    """The collection c with the space s, of whose chunks all but one are embedded."""
    chunks = put_chunks(session, len(VECTORS))
    create_space(session, "s", 8, **arguments)
    embed(session, "s", chunks[:-1], VECTORS[:-1].tolist())
    return chunks


@contextmanager
def a_build_that_waits(
    builder: psycopg.Connection, holder: psycopg.Connection, observer: psycopg.Connection
) -> Iterator[Future[list[str]]]:
    """While inside, the builder builds concurrently and waits for the holder's transaction."""
    with ThreadPoolExecutor(1) as thread:
        with holder.transaction():
            holder.execute("lock table retrieval.embeddings in row exclusive mode")
            building = thread.submit(build, builder)
            wait_until_blocked(observer, builder)
            yield building
        building.exception()


@pytest.fixture
def sessions(connect: Connect) -> list[psycopg.Connection]:
    """Three sessions on a database with the collection c and the space s."""
    return [connect() for _ in range(3)]


@pytest.mark.parametrize(
    "arguments", [{}, {"quantization": "bit"}, {"index_method": "ivfflat"}, {"metric": "l1"}]
)
def test_the_same_index_as_build_index(
    sessions: list[psycopg.Connection], arguments: dict[str, str]
) -> None:
    session = sessions[0]
    make(session, **arguments)
    session.execute("set search_path = pg_catalog")
    definition = f"select pg_get_indexdef(indexrelid) from ({INDEX}) i"
    build(session)
    concurrently = value(session, definition)
    assert build(session) == []
    session.execute(f"drop index {value(session, NAME)}")
    session.execute(BUILD)
    assert value(session, definition) == concurrently


def test_nothing_to_build(sessions: list[psycopg.Connection]) -> None:
    session = sessions[0]
    make(session, index_method="none")
    assert column(session, STATEMENTS) == []
    create_space(session, "built", 2)
    session.execute("select retrieval.build_index('c', 'built')")
    assert column(session, "select retrieval.index_statements('c', 'built')") == []


def test_the_space_is_written_meanwhile(
    sessions: list[psycopg.Connection], connect: Connect
) -> None:
    builder, holder, observer = sessions
    chunks = make(builder)
    writer = connect("500ms")
    with a_build_that_waits(builder, holder, observer):
        embed(writer, "s", chunks[-1:], VECTORS[-1:].tolist())
        assert column(writer, SEARCH, [vector(VECTORS[-1])]) == chunks[-1:]
    ((_, valid),) = observer.execute(INDEX).fetchall()
    assert valid
    observer.execute("set enable_seqscan = off")
    assert column(observer, SEARCH, [vector(VECTORS[-1])]) == chunks[-1:]


def test_build_index_has_writers_wait_but_not_searches(
    sessions: list[psycopg.Connection], connect: Connect
) -> None:
    builder = sessions[0]
    chunks = make(builder)
    other = connect("500ms")
    with builder.transaction():
        builder.execute(BUILD)
        assert column(other, SEARCH, [vector(VECTORS[5])]) == chunks[5:6]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            embed(other, "s", chunks[-1:], VECTORS[-1:].tolist())


@pytest.mark.parametrize("concurrently", [True, False])
def test_what_an_interruption_left_is_replaced(
    sessions: list[psycopg.Connection], concurrently: bool
) -> None:
    builder, holder, observer = sessions
    make(builder)
    with a_build_that_waits(builder, holder, observer) as building:
        builder.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            building.result()
    ((left, valid),) = observer.execute(INDEX).fetchall()
    assert not valid
    assert not value(observer, "select indexed from retrieval.list_spaces('c')")
    if concurrently:
        assert build(observer)[0].startswith("drop index concurrently")
    else:
        observer.execute(BUILD)
    ((replaced, valid),) = observer.execute(INDEX).fetchall()
    assert valid
    assert replaced != left
    assert value(observer, "select indexed from retrieval.list_spaces('c')")


def test_one_builder_at_a_time(sessions: list[psycopg.Connection]) -> None:
    builder, other, _ = sessions
    make(builder)
    builder.execute(LOCK.format("lock"))
    error = failure(other, BUILD)
    assert error.sqlstate == "55006"
    assert error.diag.message_primary == (
        "the index of space s of collection c is being built by another session"
    )
    builder.execute(BUILD)  # who holds the lock may
    other.execute(BUILD)  # and where there is one nobody needs it
    builder.execute(LOCK.format("unlock"))


def test_a_lock_is_of_one_space(sessions: list[psycopg.Connection]) -> None:
    builder, other, _ = sessions
    make(builder)
    builder.execute(LOCK.format("lock"))
    create_space(builder, "t", 2)
    other.execute("select retrieval.build_index('c', 't')")
    assert value(other, "select indexed from retrieval.list_spaces('c') where name = 't'")


def test_a_build_that_was_undone_holds_no_lock(sessions: list[psycopg.Connection]) -> None:
    builder, other, observer = sessions
    make(builder)
    with builder.transaction(force_rollback=True):
        builder.execute(BUILD)
        assert failure(other, BUILD).sqlstate == "55006"
    assert observer.execute(INDEX).fetchall() == []
    other.execute(BUILD)
    assert len(observer.execute(INDEX).fetchall()) == 1


def test_how_far_a_build_is(sessions: list[psycopg.Connection]) -> None:
    builder, holder, observer = sessions
    make(builder)
    create_space(builder, "t", 2)
    assert observer.execute(PROGRESS).fetchall() == []
    with a_build_that_waits(builder, holder, observer):
        ((phase, done, total),) = observer.execute(PROGRESS).fetchall()
        assert phase.startswith("waiting for")
        assert 0 <= done <= total
        assert column(observer, "select * from retrieval.index_progress('c', 't')") == []
    assert observer.execute(PROGRESS).fetchall() == []


def test_unknown_spaces(sql: psycopg.Cursor) -> None:
    put_chunks(sql, 0)
    for function in ("build_index", "index_statements", "index_progress"):
        assert failure(sql, f"select retrieval.{function}('c')").sqlstate == "55000"
        assert failure(sql, f"select retrieval.{function}('c', 'x')").sqlstate == "42704"
        assert failure(sql, f"select retrieval.{function}('x')").sqlstate == "42704"
