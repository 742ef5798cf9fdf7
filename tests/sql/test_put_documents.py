"""Documents are stored whole or not at all, and replace what their key held."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, wait_until_blocked

PUT = "select * from retrieval.put_documents('c', %s)"
CONTENTS = """select c.content from retrieval.chunks c
              join retrieval.documents d using (collection_id, document_id)
              where d.document_key = %s order by c.position"""


@pytest.fixture
def collection(sql: psycopg.Cursor) -> None:
    """The collection c."""
    sql.execute("select retrieval.create_collection('c')")


def pieces(text: str, count: int = 3) -> dict[str, Any]:
    """A document of key k whose title, content and chunks all say the same."""
    chunks = [{"content": text} for _ in range(count)]
    return {"document_key": "k", "title": text, "content": text, "chunks": chunks}


@pytest.mark.usefixtures("collection")
def test_everything_is_stored(sql: psycopg.Cursor) -> None:
    document = {
        "document_key": "k",
        "title": "A title",
        "source": "a/file.md",
        "content": "first second",
        "metadata": {"year": 2026},
        "text_config": "german",
        "content_hash": "abc",
        "chunks": [
            {"content": "first", "context": "Top", "start_offset": 0, "end_offset": 5},
            {"content": "second", "start_offset": 6, "end_offset": 12},
        ],
    }
    rows = put(sql, "c", document)
    assert [(row.document_key, row.position) for row in rows] == [("k", 0), ("k", 1)]
    stored = sql.execute("select * from retrieval.documents").fetchone()
    for name in document.keys() - {"chunks"}:
        assert getattr(stored, name) == document[name]
    chunks = sql.execute("select * from retrieval.chunks order by position").fetchall()
    assert [row.chunk_id for row in rows] == [chunk.chunk_id for chunk in chunks]
    assert [(c.content, c.context, c.start_offset, c.end_offset) for c in chunks] == [
        ("first", "Top", 0, 5),
        ("second", "", 6, 12),
    ]
    assert {(c.title, c.metadata["year"], c.text_config) for c in chunks} == {
        ("A title", 2026, "german")
    }


@pytest.mark.usefixtures("collection")
def test_without_chunks_the_content_is_one(sql: psycopg.Cursor) -> None:
    put(sql, "c", {"document_key": "k", "content": "h\u00e9llo"}, {"document_key": "empty"})
    chunks = sql.execute("select * from retrieval.chunks order by chunk_id").fetchall()
    assert {(c.content, c.start_offset, c.end_offset) for c in chunks} == {
        ("h\u00e9llo", 0, 5),
        ("", 0, 0),
    }


@pytest.mark.usefixtures("collection")
def test_no_chunks_at_all(sql: psycopg.Cursor) -> None:
    assert put(sql, "c", {"document_key": "k", "content": "words", "chunks": []}) == []
    assert column(sql, "select document_key from retrieval.documents") == ["k"]
    assert put(sql, "c") == []


@pytest.mark.usefixtures("collection")
def test_a_document_replaces_the_one_before(sql: psycopg.Cursor) -> None:
    (before, *_) = put(sql, "c", {**pieces("old"), "metadata": {"a": 1}, "source": "there"})
    (after,) = put(sql, "c", pieces("new", 1))
    assert after.document_id == before.document_id
    assert column(sql, CONTENTS, ["k"]) == ["new"]
    stored = sql.execute("select * from retrieval.documents").fetchone()
    assert (stored.title, stored.metadata, stored.source) == ("new", {}, None)
    assert column(sql, "select * from retrieval.keyword_search('c', 'old')") == []


@pytest.mark.usefixtures("collection")
def test_rows_come_in_order_of_key_and_position(sql: psycopg.Cursor) -> None:
    rows = put(sql, "c", *({**pieces("x"), "document_key": key} for key in ("b", "a", "c")))
    assert [(row.document_key, row.position) for row in rows] == [
        (key, position) for key in "abc" for position in range(3)
    ]
    assert len({row.chunk_id for row in rows}) == 9


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("documents", "named"),
    [
        (None, "documents"),
        ({}, "documents"),
        ("a", "documents"),
        ([{"content": "x"}], "no document_key"),
        ([{"document_key": None}], "no document_key"),
        ([3], ""),
        ([{"document_key": "a"}, {"document_key": "a"}], "'a'"),
        ([{"document_key": ""}], "key"),
        ([{"document_key": "x" * 2001}], "key"),
        ([{"document_key": "a", "metadata": [1]}], "metadata"),
        ([{"document_key": "a", "text_config": "klingon"}], "klingon"),
        (
            [
                {
                    "document_key": "a",
                    "chunks": [{"content": "x", "start_offset": -1, "end_offset": 0}],
                }
            ],
            "offset",
        ),
        (
            [
                {
                    "document_key": "a",
                    "chunks": [{"content": "x", "start_offset": 2, "end_offset": 1}],
                }
            ],
            "offset",
        ),
        ([{"document_key": "a", "chunks": "x"}], ""),
    ],
)
def test_unusable_documents(sql: psycopg.Cursor, documents: Any, named: str) -> None:
    error = failure(
        sql,
        PUT,
        [
            Jsonb(
                [*documents, {"document_key": "good"}] if isinstance(documents, list) else documents
            )
        ],
    )
    assert error.sqlstate[:2] in ("22", "23")
    assert named in str(error)
    assert column(sql, "select * from retrieval.documents") == []


def test_an_unknown_collection(sql: psycopg.Cursor) -> None:
    assert failure(sql, "select retrieval.put_documents('x', '[]')").sqlstate == "42704"


@pytest.mark.usefixtures("collection")
def test_keys_are_data(sql: psycopg.Cursor) -> None:
    keys = ["'", '"', "\\", "$1", "%s", "a b", "\u4e66", "'); drop table retrieval.chunks; --"]
    rows = put(sql, "c", *({"document_key": key, "content": key} for key in keys))
    assert {row.document_key for row in rows} == set(keys)


@pytest.mark.usefixtures("collection")
def test_two_collections_share_no_keys(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('d')")
    put(sql, "c", pieces("one", 1))
    put(sql, "d", pieces("two", 1))
    for name, text in (("c", "one"), ("d", "two")):
        assert column(
            sql, "select title from retrieval.keyword_search(%s, 'one or two')", [name]
        ) == [text]


# Writers of the same key


def test_the_second_writer_waits_and_replaces(connect: Callable[..., psycopg.Connection]) -> None:
    first, second, observer = connect(), connect(), connect()
    first.execute("select retrieval.create_collection('c')")
    put(first, "c", pieces("oldest", 4))
    with ThreadPoolExecutor(1) as thread:
        with first.transaction():
            put(first, "c", pieces("first", 5))
            waiting = thread.submit(put, second, "c", pieces("second", 2))
            wait_until_blocked(observer, second)
        assert len(waiting.result()) == 2
    assert column(observer, CONTENTS, ["k"]) == ["second"] * 2
    assert column(observer, "select title from retrieval.documents") == ["second"]


def test_a_new_key_written_twice_at_once(connect: Callable[..., psycopg.Connection]) -> None:
    first, second, observer = connect(), connect(), connect()
    first.execute("select retrieval.create_collection('c')")
    with ThreadPoolExecutor(1) as thread:
        with first.transaction():
            put(first, "c", pieces("first", 5))
            waiting = thread.submit(put, second, "c", pieces("second", 2))
            wait_until_blocked(observer, second)
        waiting.result()
    assert column(observer, CONTENTS, ["k"]) == ["second"] * 2
    assert value(observer, "select count(*) from retrieval.documents") == 1


def test_many_writers_leave_one_whole_document_each(
    connect: Callable[..., psycopg.Connection],
) -> None:
    sessions = [connect() for _ in range(3)]
    sessions[0].execute("select retrieval.create_collection('c')")

    def write(number: int) -> None:
        keys = ["a", "b", "k"] if number % 2 else ["k", "b", "a"]
        for repeat in range(6):
            text = f"w{number}r{repeat}"
            put(
                sessions[number],
                "c",
                *({**pieces(text, number + 1), "document_key": key} for key in keys),
            )

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(write, range(3)))
    for key in ("a", "b", "k"):
        title = value(
            sessions[0], "select title from retrieval.documents where document_key = %s", [key]
        )
        assert column(sessions[0], CONTENTS, [key]) == [title] * (int(title[1]) + 1)
