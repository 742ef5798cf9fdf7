"""What searches use and writers keep complete, with writers at work meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from statements import column, failure, put, value, wait_until_blocked
from vectors import create_space, embed, put_chunks

Connect = Callable[..., psycopg.Connection]
WRITTEN = "select name from retrieval.written_spaces('c')"


def call(session: psycopg.Cursor | psycopg.Connection, function: str, space: str | None) -> None:
    session.execute(f"select retrieval.{function}_space('c', %s)", [space])


def refusal(session: psycopg.Cursor, function: str, space: str | None) -> psycopg.Error:
    return failure(session, f"select retrieval.{function}_space('c', %s)", [space])


def states(session: psycopg.Cursor | psycopg.Connection) -> str:
    """The first letters of the states of a, b and c."""
    names = column(session, "select state from retrieval.spaces order by name")
    return " ".join(name[0] for name in names)


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """Two chunks of the collection c, with the spaces a, b and c filled."""
    chunks = put_chunks(sql, 2)
    for name in "abc":
        create_space(sql, name, 2)
        embed(sql, name, chunks, [[1, 0]] * 2)
    return chunks


@pytest.mark.parametrize("kind", ["dense", "sparse", "multivector"])
def test_an_incomplete_space_is_not_activated(
    sql: psycopg.Cursor, chunks: list[int], kind: str
) -> None:
    create_space(sql, "t", 2, kind=kind)
    for done, message in ((0, "2 of the chunks have no"), (1, "1 of the chunks have no")):
        embed(sql, "t", chunks[:done], [[1, 0]] * done, kind)
        error = refusal(sql, "activate", "t")
        assert error.sqlstate == "55000"
        assert message in error.diag.message_primary
    embed(sql, "t", chunks, [[1, 0]] * 2, kind)
    call(sql, "activate", "t")
    assert value(sql, "select state from retrieval.spaces where name = 't'") == "active"


@pytest.mark.usefixtures("chunks")
def test_there_and_back_again(sql: psycopg.Cursor) -> None:
    rollback = "select retrieval.rollback_space('c')"
    assert failure(sql, rollback).sqlstate == "55000"
    for name, after in (("a", "a b b"), ("b", "s a b"), ("c", "s s a")):
        call(sql, "activate", name)
        assert states(sql) == after
    for name, after in (("b", "s a s"), ("c", "s s a"), ("b", "s a s")):
        assert value(sql, rollback) == name
        assert states(sql) == after


@pytest.mark.usefixtures("chunks")
def test_no_way_back(sql: psycopg.Cursor) -> None:
    call(sql, "activate", "a")
    for kind in ("dense", "sparse", "x", None):
        error = failure(sql, "select retrieval.rollback_space('c', %s)", [kind])
        assert error.sqlstate == "55000"
        assert "no former" in error.diag.message_primary
    call(sql, "activate", "b")
    call(sql, "retire", "a")
    assert refusal(sql, "rollback", "dense").sqlstate == "55000"
    call(sql, "resume", "a")
    put(sql, "c", {"document_key": "new", "content": "x"})
    error = refusal(sql, "rollback", "dense")
    assert "space a of collection c is not complete: 1 of the chunks" in str(error)
    assert states(sql) == "s a b"


@pytest.mark.usefixtures("chunks")
def test_retired_and_resumed(sql: psycopg.Cursor) -> None:
    call(sql, "activate", "a")
    call(sql, "activate", "b")
    error = refusal(sql, "retire", "b")
    assert error.sqlstate == "55000"
    assert "active" in error.diag.message_primary
    for name in "ac":
        call(sql, "retire", name)
        call(sql, "retire", name)
    assert (states(sql), column(sql, WRITTEN)) == ("r a r", ["b"])
    for name in "abc":
        call(sql, "resume", name)
    # the one that was active before is a shadow, the other is still being built
    assert (states(sql), column(sql, WRITTEN)) == ("s a b", ["a", "b", "c"])


@pytest.mark.usefixtures("chunks")
def test_a_retired_space_can_be_searched_and_activated(sql: psycopg.Cursor) -> None:
    call(sql, "activate", "a")
    call(sql, "retire", "b")
    search = "select * from retrieval.semantic_search('c', '[1,0]', space => 'b')"
    assert len(column(sql, search)) == 2
    call(sql, "activate", "b")
    assert states(sql) == "s a b"


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("function", ["activate", "retire", "resume", "drop"])
@pytest.mark.parametrize("name", ["x", "", None])
def test_names_of_nothing(sql: psycopg.Cursor, function: str, name: str | None) -> None:
    assert refusal(sql, function, name).sqlstate == "42704"


@pytest.mark.usefixtures("chunks")
def test_a_name_in_use(sql: psycopg.Cursor) -> None:
    create = "select retrieval.create_space('c', 'a', 'm', 3, kind => 'sparse')"
    error = failure(sql, create)
    assert error.sqlstate == "42710"
    assert error.diag.message_primary == "space a already exists in collection c"
    call(sql, "drop", "a")
    sql.execute(create)


def test_what_there_is_to_know(sql: psycopg.Cursor, chunks: list[int]) -> None:
    call(sql, "activate", "b")
    sql.execute("select retrieval.build_index('c', 'b')")
    sql.execute("delete from retrieval.embeddings where chunk_id = %s", chunks[:1])
    listed = sql.execute("select * from retrieval.list_spaces('c')").fetchall()
    assert [(s.name, s.state, s.indexed) for s in listed] == [
        ("b", "active", True),
        ("a", "building", False),
        ("c", "building", False),
    ]
    assert {(s.kind, s.embeddings, s.missing, s.dimensions) for s in listed} == {("dense", 1, 1, 2)}
    assert listed[0].bytes > listed[1].bytes > 0
    assert [s.activated_at is None for s in listed] == [False, True, True]
    assert failure(sql, "select retrieval.list_spaces('x')").sqlstate == "42704"


# With writers at work


def store(writer: psycopg.Connection, key: str) -> list[int]:
    """A new chunk with an embedding in each space that is written."""
    spaces = column(writer, WRITTEN)
    chunks = [row.chunk_id for row in put(writer, "c", {"document_key": key, "content": "x"})]
    for space in spaces:
        embed(writer, space, chunks, [[1, 0]])
    return spaces


@pytest.fixture
def sessions(connect: Connect) -> list[psycopg.Connection]:
    """Three sessions on a database with the filled spaces a and b, of which a is active."""
    opened = [connect() for _ in range(3)]
    chunks = put_chunks(opened[0], 2)
    for name in "ab":
        create_space(opened[0], name, 2)
        embed(opened[0], name, chunks, [[1, 0]] * 2)
    call(opened[0], "activate", "a")
    return opened


@pytest.mark.parametrize("function", ["activate", "retire", "drop"])
def test_a_change_waits_for_writers(sessions: list[psycopg.Connection], function: str) -> None:
    writer, other, observer = sessions
    with ThreadPoolExecutor(1) as thread:
        with writer.transaction():
            assert store(writer, "new") == ["a", "b"]
            changing = thread.submit(call, other, function, "b")
            wait_until_blocked(observer, other)
        changing.result()
    left = {"activate": "s a", "retire": "a r", "drop": "a"}[function]
    assert states(observer) == left
    assert value(observer, "select missing from retrieval.list_spaces('c') limit 1") == 0


def test_an_activation_sees_the_writers_chunks(sessions: list[psycopg.Connection]) -> None:
    writer, other, observer = sessions
    with ThreadPoolExecutor(1) as thread:
        with writer.transaction():
            writer.execute(WRITTEN)
            put(writer, "c", {"document_key": "new", "content": "not embedded"})
            activating = thread.submit(call, other, "activate", "b")
            wait_until_blocked(observer, other)
        with pytest.raises(psycopg.Error, match="1 of the chunks") as raised:
            activating.result()
    assert raised.value.sqlstate == "55000"
    assert states(observer) == "a b"


def test_a_writer_waits_for_a_change_and_sees_it(sessions: list[psycopg.Connection]) -> None:
    writer, other, observer = sessions
    with ThreadPoolExecutor(1) as thread:
        with other.transaction():
            call(other, "retire", "b")
            writing = thread.submit(store, writer, "new")
            wait_until_blocked(observer, writer)
        assert writing.result() == ["a"]
    call(observer, "resume", "b")
    assert refusal(observer, "activate", "b").sqlstate == "55000"


def test_writers_do_not_wait_for_each_other(
    sessions: list[psycopg.Connection], connect: Connect
) -> None:
    writer = sessions[0]
    hasty = connect("500ms")
    with writer.transaction():
        store(writer, "one")
        assert store(hasty, "two") == ["a", "b"]
        assert len(column(hasty, "select * from retrieval.semantic_search('c', '[1,0]')")) == 3
        assert refusal(hasty, "activate", "b").sqlstate == "55P03"
