"""Documents from SQL alone: found at once, kept where nothing changed, always in step."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, wait_until_blocked
from vectors import create_space, embed

ADD = "select retrieval.add_document('c', %s, %s, %s, %s)"
CHUNKS = """select c.chunk_id, c.position, c.start_offset, c.end_offset, c.content, c.title,
                   c.metadata
            from retrieval.chunks c join retrieval.documents d using (collection_id, document_id)
            where d.document_key = %s order by c.position"""
MISSING = "select content from retrieval.missing_embeddings('c', 's')"
FOUND = "select document_key from retrieval.keyword_search('c', %s) order by document_key"

LONG = "\n\n".join(f"Paragraph {n} " + "and words " * 30 for n in range(20))


@pytest.fixture
def collection(sql: psycopg.Cursor) -> None:
    """The collection c with a space s."""
    sql.execute("select retrieval.create_collection('c')")
    create_space(sql, "s", 2)


def chunks(sql: psycopg.Cursor, key: str) -> list[Any]:
    return sql.execute(CHUNKS, [key]).fetchall()


def embed_all(sql: psycopg.Cursor) -> None:
    """Give every chunk an embedding."""
    missing = column(sql, "select chunk_id from retrieval.missing_embeddings('c', 's')")
    embed(sql, "s", missing, [[1, 0]] * len(missing))
    assert column(sql, MISSING) == []


@pytest.mark.usefixtures("collection")
def test_everything_is_stored(sql: psycopg.Cursor) -> None:
    statement = """select retrieval.add_document('c', 'k', 'die W\u00f6rter', 'A title', '{"n": 1}',
                                                 source => 'there', text_config => 'german')"""
    document_id = value(sql, statement)
    stored = sql.execute("select * from retrieval.documents").fetchone()
    assert stored.document_id == document_id
    assert (stored.document_key, stored.content, stored.title) == (
        "k",
        "die W\u00f6rter",
        "A title",
    )
    assert (stored.metadata, stored.source, stored.text_config) == ({"n": 1}, "there", "german")
    (chunk,) = chunks(sql, "k")
    assert chunk[1:] == (0, 0, 10, "die W\u00f6rter", "A title", {"n": 1})
    assert column(sql, FOUND, ["wort"]) == ["k"]


@pytest.mark.usefixtures("collection")
def test_a_long_document_is_cut(sql: psycopg.Cursor) -> None:
    statement = "select retrieval.add_document('c', 'k', %s, maximum_chunk_length => 700)"
    sql.execute(statement, [LONG])
    stored = chunks(sql, "k")
    assert len(stored) > 8
    assert [chunk.position for chunk in stored] == list(range(len(stored)))
    assert all(LONG[c.start_offset : c.end_offset] == c.content for c in stored)
    assert all(len(c.content) <= 700 for c in stored)
    assert " ".join(" ".join(c.content for c in stored).split()) == " ".join(LONG.split())
    # another length is another document to the model
    sql.execute(ADD, ["k", LONG, None, Jsonb({})])
    assert len(chunks(sql, "k")) < len(stored)


@pytest.mark.usefixtures("collection")
def test_the_same_text_keeps_chunks_and_embeddings(sql: psycopg.Cursor) -> None:
    first = value(sql, ADD, ["k", LONG, "Title", Jsonb({"n": 1})])
    embed_all(sql)
    before = chunks(sql, "k")
    assert value(sql, ADD, ["k", LONG, "Title", Jsonb({"n": 2})]) == first
    after = chunks(sql, "k")
    assert [c.chunk_id for c in after] == [c.chunk_id for c in before]
    assert {c.metadata["n"] for c in after} == {2}
    assert column(sql, MISSING) == []


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(("content", "title"), [("new words", "Old"), ("old words", "New")])
def test_new_text_replaces(sql: psycopg.Cursor, content: str, title: str) -> None:
    first = value(sql, ADD, ["k", "old words", "Old", Jsonb({})])
    embed_all(sql)
    assert value(sql, ADD, ["k", content, title, Jsonb({})]) == first
    assert [(c.content, c.title) for c in chunks(sql, "k")] == [(content, title)]
    assert column(sql, MISSING) == [content]
    assert column(sql, FOUND, ["old"]) == ["k"]
    assert column(sql, FOUND, ["new"]) == ["k"]
    assert value(sql, "select sum(chunk_count) from retrieval.chunk_statistics") == 1


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("content", "title", "stored"),
    [
        (None, None, []),
        (" \n", "", []),
        ("", "Harbour", [("", "Harbour")]),
        (None, "Harbour", [("", "Harbour")]),
    ],
)
def test_without_text(
    sql: psycopg.Cursor, content: str | None, title: str | None, stored: list[Any]
) -> None:
    sql.execute(ADD, ["k", content, title, None])
    assert [(c.content, c.title) for c in chunks(sql, "k")] == stored
    assert column(sql, FOUND, ["harbour"]) == ["k"] * len(stored)
    assert value(sql, "select metadata from retrieval.documents") == {}


@pytest.mark.usefixtures("collection")
def test_it_replaces_what_was_put(sql: psycopg.Cursor) -> None:
    pieces = [{"content": "one", "context": "Top"}, {"content": "two"}]
    put(
        sql, "c", {"document_key": "k", "content": "one two", "content_hash": "h", "chunks": pieces}
    )
    sql.execute(ADD, ["k", "one two", None, Jsonb({})])
    assert [c.content for c in chunks(sql, "k")] == ["one two"]
    put(sql, "c", {"document_key": "k", "content": "one two", "chunks": pieces})
    assert [c.content for c in chunks(sql, "k")] == ["one", "two"]


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("'x', 'k', 'words'", "collection x"),
        ("'c', null, 'words'", "document_key"),
        ("'c', '', 'words'", "key"),
        ("'c', 'k', 'words', metadata => '[]'", "metadata"),
        ("'c', 'k', 'words', text_config => 'klingon'", "klingon"),
        ("'c', 'k', 'words', maximum_chunk_length => 0", "maximum_chunk_length"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, named: str) -> None:
    error = failure(sql, f"select retrieval.add_document({arguments})")
    assert error.sqlstate in ("22023", "42704", "23514") and named in str(error)


@pytest.mark.usefixtures("collection")
def test_delete(sql: psycopg.Cursor) -> None:
    sql.execute(ADD, ["k", "words", None, None])
    assert value(sql, "select retrieval.delete_document('c', 'k')") is True
    assert value(sql, "select retrieval.delete_document('c', 'k')") is False
    assert column(sql, FOUND, ["words"]) == []
    assert failure(sql, "select retrieval.delete_document('x', 'k')").sqlstate == "42704"


# Plain statements on the tables


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("partition", [False, True], ids=["parent", "partition"])
def test_an_updated_content_is_cut_anew(sql: psycopg.Cursor, partition: bool) -> None:
    for key in ("a", "b"):
        sql.execute(ADD, [key, f"old {key}", "Title", Jsonb({"n": 1})])
    embed_all(sql)
    table = f"documents_{value(sql, 'select collection_id from retrieval.collections')}"
    name = table if partition else "documents"
    sql.execute(f"update retrieval.{name} set content = %s where document_key = 'a'", [LONG])
    stored = chunks(sql, "a")
    assert len(stored) > 2
    assert all(LONG[c.start_offset : c.end_offset] == c.content for c in stored)
    assert {(c.title, c.metadata["n"]) for c in stored} == {("Title", 1)}
    assert sorted(column(sql, MISSING)) == sorted(c.content for c in stored)
    assert column(sql, FOUND, ["old"]) == ["b"]
    # nor does the next ingestion take it for what it had stored
    hashes = "select document_key from retrieval.documents where content_hash is null"
    assert column(sql, hashes) == ["a"]


@pytest.mark.usefixtures("collection")
def test_an_updated_title_reaches_chunks_and_loses_embeddings(sql: psycopg.Cursor) -> None:
    pieces = [{"content": "one", "context": "Top"}, {"content": "two"}]
    put(
        sql, "c", {"document_key": "k", "content": "one two", "content_hash": "h", "chunks": pieces}
    )
    put(sql, "c", {"document_key": "other", "content": "three"})
    embed_all(sql)
    sql.execute("update retrieval.documents set title = 'New' where document_key = 'k'")
    assert [(c.content, c.title) for c in chunks(sql, "k")] == [("one", "New"), ("two", "New")]
    assert column(sql, MISSING) == ["one", "two"]
    assert column(sql, "select content_hash from retrieval.documents") == [None, None]


@pytest.mark.usefixtures("collection")
def test_updated_metadata_keeps_the_rest(sql: psycopg.Cursor) -> None:
    put(sql, "c", {"document_key": "k", "content": "one", "content_hash": "h"})
    embed_all(sql)
    before = chunks(sql, "k")
    sql.execute("update retrieval.documents set metadata = '{\"year\": 2026}', source = 'x'")
    (after,) = chunks(sql, "k")
    assert after.chunk_id == before[0].chunk_id and after.metadata == {"year": 2026}
    assert column(sql, MISSING) == []
    assert value(sql, "select content_hash from retrieval.documents") == "h"
    filtered = "select document_key from retrieval.keyword_search('c', 'one', '{\"year\": 2026}')"
    assert column(sql, filtered) == ["k"]


@pytest.mark.usefixtures("collection")
def test_updated_chunks_lose_their_embeddings(sql: psycopg.Cursor) -> None:
    for key in ("a", "b", "c"):
        sql.execute(ADD, [key, f"text {key}", None, None])
    embed_all(sql)
    sql.execute("update retrieval.chunks set content = 'other' where content = 'text a'")
    sql.execute("update retrieval.chunks set context = 'Top' where content = 'text b'")
    sql.execute("update retrieval.chunks set text_config = 'simple' where content = 'text c'")
    assert column(sql, MISSING) == ["other", "text b"]


@pytest.mark.usefixtures("collection")
def test_deleted_documents_take_everything_along(sql: psycopg.Cursor) -> None:
    for key in ("a", "b"):
        sql.execute(ADD, [key, f"words {key}", None, None])
    embed_all(sql)
    sql.execute("delete from retrieval.documents where document_key = 'a'")
    assert column(sql, FOUND, ["words"]) == ["b"]
    assert value(sql, "select count(*) from retrieval.embeddings") == 1
    assert value(sql, "select sum(chunk_count) from retrieval.chunk_statistics") == 1


def test_two_writers_of_one_key(connect: Callable[..., psycopg.Connection]) -> None:
    first, second, observer = connect(), connect(), connect()
    first.execute("select retrieval.create_collection('c')")
    with ThreadPoolExecutor(1) as thread:
        with first.transaction():
            first.execute(ADD, ["k", LONG, None, None])
            waiting = thread.submit(second.execute, ADD, ["k", "second", None, None])
            wait_until_blocked(observer, second)
        waiting.result()
    assert column(observer, "select content from retrieval.chunks") == ["second"]
    assert value(observer, "select sum(chunk_count) from retrieval.chunk_statistics") == 1
