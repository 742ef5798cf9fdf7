"""Keys of the metadata with an index of their own: declared, declared again, dropped."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, wait_until_blocked

DECLARE = "select retrieval.index_metadata('c', %s, %s)"
DROP = "select retrieval.drop_metadata_index('c', %s)"
DECLARED = "select key, type from retrieval.metadata_indexes order by key"
INDEXES = r"select indexname from pg_indexes where indexname ~ '^chunks_\d+_metadata_[0-9a-f]+$'"
SEARCH = "select document_key from retrieval.keyword_search('c', 'word', %s) order by 1"


@pytest.fixture
def session(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c with a few years in it."""
    sql.execute("select retrieval.create_collection('c')")
    for key, year in (("old", 1999), ("new", 2024), ("both", [1999, 2024]), ("text", "2024")):
        put(sql, "c", {"document_key": key, "content": "word", "metadata": {"year": year}})
    put(sql, "c", {"document_key": "none", "content": "word"})
    return sql


def since(year: Any) -> list[Jsonb]:
    return [Jsonb({"year": {"$gte": year}})]


def test_declared_dropped_and_declared_again(session: psycopg.Cursor) -> None:
    for kind in ("numeric", "text", "numeric"):
        session.execute(DECLARE, ["year", kind])
        assert session.execute(DECLARED).fetchall() == [("year", kind)]
        assert len(column(session, INDEXES)) == 1
        assert column(session, SEARCH, since(2000)) == ["both", "new"]
        assert column(session, SEARCH, since("2000")) == ["text"]
        session.execute(DROP, ["year"])
        assert session.execute(DECLARED).fetchall() == []
        assert column(session, INDEXES) == []
        assert column(session, SEARCH, since(2000)) == ["both", "new"]


def test_what_is_stored_later_is_found(session: psycopg.Cursor) -> None:
    session.execute(DECLARE, ["year", "numeric"])
    put(session, "c", {"document_key": "newer", "content": "word", "metadata": {"year": 2030}})
    put(session, "c", {"document_key": "old", "content": "word", "metadata": {"year": 2001}})
    assert column(session, SEARCH, since(2000)) == ["both", "new", "newer", "old"]


def test_twice_is_once(session: psycopg.Cursor) -> None:
    session.execute(DECLARE, ["year", "numeric"])
    before = column(session, INDEXES)
    session.execute(DECLARE, ["year", "numeric"])
    assert column(session, INDEXES) == before
    error = failure(session, DECLARE, ["year", "text"])
    assert error.sqlstate == "42710"
    assert "'year'" in str(error) and "numeric, not text" in str(error)
    assert session.execute(DECLARED).fetchall() == [("year", "numeric")]


@pytest.mark.parametrize("key", [None, "$gt", "$", "x" * 201])
def test_unusable_keys(session: psycopg.Cursor, key: str | None) -> None:
    error = failure(session, DECLARE, [key, "text"])
    assert error.sqlstate == "22023"
    assert ("null" if key is None else repr(key)) in str(error)


@pytest.mark.parametrize("kind", [None, "", "integer", "Numeric", "numeric[]", "text; --"])
def test_unknown_types(session: psycopg.Cursor, kind: str | None) -> None:
    error = failure(session, DECLARE, ["year", kind])
    assert error.sqlstate == "22023"
    assert "type must be one of numeric, text" in str(error)
    assert session.execute(DECLARED).fetchall() == []


def test_nothing_of_that_name(session: psycopg.Cursor) -> None:
    for statement in (
        "select retrieval.index_metadata('other', 'year', 'text')",
        "select retrieval.drop_metadata_index('other', 'year')",
        "select retrieval.drop_metadata_index('c', 'year')",
        "select retrieval.drop_metadata_index('c', null)",
    ):
        assert failure(session, statement).sqlstate == "42704"


@pytest.mark.parametrize(
    "key",
    [
        *("", " ", "a.b", 'q"q', "it's", "\\", "%s", "\n", "\u4e66"),
        *("'; drop schema retrieval cascade; --", "\U0001f600" * 200, "x" * 200, "x" * 199 + "y"),
    ],
)
def test_any_key(session: psycopg.Cursor, key: str) -> None:
    put(session, "c", {"document_key": "key", "content": "word", "metadata": {key: "m"}})
    session.execute(DECLARE, ["year", "numeric"])
    session.execute(DECLARE, [key, "text"])
    assert len(column(session, INDEXES)) == 2
    assert column(session, SEARCH, [Jsonb({key: {"$gt": "l", "$lt": "n"}})]) == ["key"]
    session.execute(DROP, [key])
    assert session.execute(DECLARED).fetchall() == [("year", "numeric")]


def test_values_too_long_for_a_b_tree(session: psycopg.Cursor) -> None:
    digits = "".join(random.Random(1).choices("123456789", k=10_000))
    text = "".join(map(chr, random.Random(2).choices(range(0x4E00, 0x9FFF), k=10_000)))
    put(session, "c", {"document_key": "before", "content": "word", "metadata": {"t": text}})
    session.execute(DECLARE, ["n", "numeric"])
    session.execute(DECLARE, ["t", "text"])
    statement = """select retrieval.put_documents('c', jsonb_build_array(jsonb_build_object(
        'document_key', %s::text, 'content', 'word', 'metadata', %s::jsonb)))"""
    for number in (digits, f"-{digits}", f"0.{digits}"):
        session.execute(statement, [number[:2], f'{{"n": {number}, "t": "{text}"}}'])
    for wanted, operators in (
        ([digits[:2]], '{"$gt": 1}'),
        (["-" + digits[0], "0."], '{"$lt": 1}'),
        (["0."], '{"$gt": 0, "$lt": 1}'),
        ([digits[:2]], f'{{"$eq": {digits}}}'),
        (["0."], f'{{"$gte": 0.{digits}, "$lt": {digits}}}'),
    ):
        assert column(session, SEARCH, [f'{{"n": {operators}}}']) == wanted
    for operand in ({"$prefix": text[:100]}, {"$prefix": text[:5000]}, text, {"$gte": text}):
        assert len(column(session, SEARCH, [Jsonb({"t": operand})])) == 4
    assert column(session, SEARCH, [Jsonb({"t": {"$gt": text}})]) == []


def test_collections_are_independent(session: psycopg.Cursor) -> None:
    session.execute("select retrieval.create_collection('d')")
    session.execute(DECLARE, ["year", "numeric"])
    session.execute("select retrieval.index_metadata('d', 'year', 'text')")
    assert len(column(session, INDEXES)) == 2
    session.execute("select retrieval.drop_collection('d')")
    assert session.execute(DECLARED).fetchall() == [("year", "numeric")]
    assert len(column(session, INDEXES)) == 1


def test_a_dropped_collection_leaves_nothing(session: psycopg.Cursor) -> None:
    session.execute(DECLARE, ["year", "numeric"])
    session.execute(DECLARE, ["other", "text"])
    session.execute("select retrieval.drop_collection('c')")
    assert session.execute(DECLARED).fetchall() == []
    assert column(session, INDEXES) == []


def test_statistics_are_there_at_once(session: psycopg.Cursor) -> None:
    session.execute(DECLARE, ["year", "numeric"])
    (name,) = column(session, INDEXES)
    assert value(session, "select null_frac from pg_stats where tablename = %s", [name]) == (
        pytest.approx(0.4)
    )


@pytest.fixture
def sessions(connect: Callable[..., psycopg.Connection]) -> list[psycopg.Connection]:
    """Two sessions on the collection c."""
    one, other = connect(), connect("500ms")
    one.execute("select retrieval.create_collection('c')")
    put(one, "c", {"document_key": "new", "content": "word", "metadata": {"year": 2024}})
    return [one, other]


def test_readers_do_not_wait_writers_do(sessions: list[psycopg.Connection]) -> None:
    builder, other = sessions
    writing = "select * from retrieval.put_documents('c', '[{\"document_key\": \"x\"}]')"
    with builder.transaction():
        builder.execute(DECLARE, ["year", "numeric"])
        assert column(other, SEARCH, since(2000)) == ["new"]
        assert failure(other, writing).sqlstate == "55P03"
    other.execute(writing)
    assert column(other, SEARCH, since(2000)) == ["new"]


@pytest.mark.parametrize("kind", ["numeric", "text"])
def test_two_at_once(
    sessions: list[psycopg.Connection], connect: Callable[..., psycopg.Connection], kind: str
) -> None:
    one, observer = sessions
    other = connect()
    with ThreadPoolExecutor(1) as thread:
        with one.transaction():
            one.execute(DECLARE, ["year", "numeric"])
            waiting = thread.submit(other.execute, DECLARE, ["year", kind])
            wait_until_blocked(observer, other)
        error = waiting.exception()
    assert getattr(error, "sqlstate", None) == (None if kind == "numeric" else "42710")
    assert one.execute(DECLARED).fetchall() == [("year", "numeric")]
    assert len(column(one, INDEXES)) == 1
