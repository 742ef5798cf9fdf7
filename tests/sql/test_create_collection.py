"""A collection gets partitions of its own, and nobody else notices."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from statements import column, failure, put, value

CREATE = "select retrieval.create_collection(%s, %s)"


def test_returns_its_id_and_makes_partitions(sql: psycopg.Cursor) -> None:
    created = value(sql, CREATE, ["handbook", "english"])
    assert (
        value(sql, "select collection_id from retrieval.collections where name = 'handbook'")
        == created
    )
    for parent in ("documents", "chunks", "chunk_statistics", "lexeme_statistics"):
        inherits = (
            "select from pg_inherits where inhparent = %s::regclass and inhrelid = %s::regclass"
        )
        sql.execute(inherits, [f"retrieval.{parent}", f"retrieval.{parent}_{created}"])
        assert sql.rowcount == 1


@pytest.mark.parametrize("parent", ["documents", "chunks"])
def test_a_partition_has_what_its_parent_has(sql: psycopg.Cursor, parent: str) -> None:
    created = value(sql, CREATE, ["c", "english"])
    constraints = """select conname, pg_get_constraintdef(oid) from pg_constraint
                     where conrelid = %s::regclass and contype not in ('p', 'u')"""
    triggers = "select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal"
    for query in (constraints, triggers):
        above = set(sql.execute(query, [f"retrieval.{parent}"]).fetchall())
        below = set(sql.execute(query, [f"retrieval.{parent}_{created}"]).fetchall())
        assert above <= below
    indexes = "select count(*) from pg_index where indrelid = %s::regclass and indisvalid"
    assert value(sql, indexes, [f"retrieval.{parent}"]) == value(
        sql, indexes, [f"retrieval.{parent}_{created}"]
    )


@pytest.mark.parametrize(
    "name", ["a", "\u4e66", "My Handbook", 'it\'s "quoted"; --', "%s", "x" * 200]
)
def test_names_are_data(sql: psycopg.Cursor, name: str) -> None:
    sql.execute(CREATE, [name, "english"])
    ((key, *_),) = put(sql, name, {"document_key": name, "content": "words"})
    assert key == name
    assert column(
        sql, "select document_key from retrieval.keyword_search(%s, 'words')", [name]
    ) == [name]
    sql.execute("select retrieval.drop_collection(%s)", [name])
    assert column(sql, "select name from retrieval.collections") == []


@pytest.mark.parametrize(
    "name", [None, "", " ", " a", "a ", "a/b", "a\nb", "a\tb", "\x7f", "x" * 201]
)
def test_unusable_names(sql: psycopg.Cursor, name: str | None) -> None:
    error = failure(sql, CREATE, [name, "english"])
    assert error.sqlstate == "22023"
    assert "collection name" in str(error)


def test_a_taken_name(sql: psycopg.Cursor) -> None:
    sql.execute(CREATE, ["c", "english"])
    error = failure(sql, CREATE, ["c", "english"])
    assert error.sqlstate == "42710"
    assert "collection c already exists" in str(error)


@pytest.mark.parametrize(
    "text_config", ["klingon", "", None, "a.b.c.d", "english'; drop schema retrieval"]
)
def test_an_unknown_text_configuration(sql: psycopg.Cursor, text_config: str | None) -> None:
    error = failure(sql, CREATE, ["c", text_config])
    assert error.sqlstate == "22023"
    assert "text search configuration" in str(error)


def test_a_text_configuration_is_stored_with_its_schema(sql: psycopg.Cursor) -> None:
    sql.execute(
        'create schema "My words"; grant usage on schema "My words" to retrieval_owner;'
        ' create text search configuration "My words"."Plain" (copy = simple)'
    )
    sql.execute('set local search_path = "My words"')
    sql.execute(CREATE, ["c", '"Plain"'])
    sql.execute(CREATE, ["d", "english"])
    sql.execute("set local search_path = ''")
    stored = column(sql, "select text_config from retrieval.collections order by name")
    assert stored == ['"My words"."Plain"', "english"]
    put(sql, "c", {"document_key": "a", "content": "the words"})
    assert column(sql, "select document_key from retrieval.keyword_search('c', 'the')") == ["a"]


def test_creation_blocks_nobody_and_waits_for_nobody(
    connect: Callable[..., psycopg.Connection],
) -> None:
    reader, creator, searcher = connect(), connect("500ms"), connect("500ms")
    creator.execute(CREATE, ["old", "english"])
    put(creator, "old", {"document_key": "a", "content": "words"})
    search = "select document_key from retrieval.keyword_search('old', 'words')"
    with reader.transaction():
        reader.execute("select from retrieval.documents join retrieval.chunks using (document_id)")
        assert column(reader, search) == ["a"]
        with creator.transaction():
            creator.execute(CREATE, ["new", "english"])
            creator.execute("select retrieval.create_space('new', 's', 'model', 2)")
            assert column(searcher, search) == ["a"]
            put(searcher, "old", {"document_key": "b", "content": "words"})
        assert column(searcher, search) == ["a", "b"]


def test_created_at_the_same_time(connect: Callable[..., psycopg.Connection]) -> None:
    sessions = [connect() for _ in range(4)]

    def create(number: int) -> None:
        for repeat in range(3):
            sessions[number].execute(CREATE, [f"c{number}{repeat}", "english"])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(create, range(4)))
    assert value(sessions[0], "select count(*) from retrieval.collections") == 12
