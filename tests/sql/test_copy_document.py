"""A chunk's title, metadata and text configuration are its document's, whoever wrote where."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from statements import column, failure, put, value, wait_until_blocked

DRIFTED = """
    select c.chunk_id from retrieval.chunks c
    join retrieval.documents d using (collection_id, document_id)
    join retrieval.collections n using (collection_id)
    where (c.title, c.metadata, c.text_config)
          is distinct from (d.title, d.metadata, coalesce(d.text_config, n.text_config))
       or c.lexemes <> retrieval.to_lexemes(c.text_config, d.title, c.context, c.content)"""


def prepare(session: psycopg.Cursor | psycopg.Connection) -> dict[str, int]:
    """Two documents a and b of two chunks each; returns the ids that statements name."""
    collection = value(session, "select retrieval.create_collection('c')")
    chunks = [{"content": "the first"}, {"content": "second"}]
    rows = put(
        session,
        "c",
        {"document_key": "a", "title": "A", "metadata": {"n": 1}, "chunks": chunks},
        {"document_key": "b", "text_config": "simple", "chunks": chunks},
    )
    return {"collection": collection, "a": rows[0][1], "b": rows[2][1], "chunk": rows[0][3]}


@pytest.fixture
def ids(sql: psycopg.Cursor) -> dict[str, int]:
    """The ids of a small collection."""
    return prepare(sql)


# before PostgreSQL 17 the identity is the parent's alone
INSERT = """insert into retrieval.{chunks}
                (chunk_id, collection_id, document_id, position, content%s)
            overriding system value """


@pytest.mark.parametrize("partition", [False, True], ids=["parent", "partition"])
@pytest.mark.parametrize(
    "statement",
    [
        INSERT % "" + "values (1001, {collection}, {a}, 7, 'the x')",
        INSERT % ""
        + "values (1001, {collection}, {a}, 7, 'the x'), (1002, {collection}, {b}, 7, 'the y')",
        INSERT % ", title, metadata, text_config"
        + "values (1001, {collection}, {a}, 7, 'the x', 'W', '{{\"w\": 1}}', 'german')",
        INSERT % "" + "select 1000 + chunk_id, collection_id, document_id, position + 10, content"
        " from retrieval.chunks",
        INSERT % ", title" + "values (1001, {collection}, {a}, 0, 'the x', 'W')"
        " on conflict (document_id, position, collection_id) do update set title = excluded.title",
        "update retrieval.{chunks} set title = 'W'",
        "update retrieval.{chunks} set metadata = '{{}}', text_config = 'german',"
        " content = content || ' more'",
        "update retrieval.{chunks} set title = null, context = 'C' where document_id = {a}",
        "update retrieval.{chunks} set document_id = {b}, position = position + 5"
        " where document_id = {a}",
        "update retrieval.{documents} set title = 'New'",
        "update retrieval.{documents} set title = null, metadata = '{{\"n\": [1, 2]}}'"
        " where document_id = {a}",
        "update retrieval.{documents} set text_config = 'german'",
        "update retrieval.{documents} set text_config = null",
        "update retrieval.{documents} set title = document_key, text_config = 'simple'",
        "with x as (update retrieval.{documents} set title = 'X')"
        " update retrieval.{chunks} set title = 'Y'",
        "merge into retrieval.{documents} d using (values ('a'), ('z')) v(key)"
        " on d.document_key = v.key"
        " when matched then update set title = 'merged'"
        " when not matched then insert (document_id, collection_id, document_key)"
        " overriding system value values (1001, {collection}, v.key)",
    ],
)
def test_after_any_statement(
    sql: psycopg.Cursor, ids: dict[str, int], statement: str, partition: bool
) -> None:
    suffix = f"_{ids['collection']}" if partition else ""
    tables = {"chunks": f"chunks{suffix}", "documents": f"documents{suffix}"}
    sql.execute(statement.format(**ids, **tables))
    assert sql.rowcount > 0
    assert column(sql, DRIFTED) == []


@pytest.mark.parametrize("partition", [False, True], ids=["parent", "partition"])
def test_after_copy(sql: psycopg.Cursor, ids: dict[str, int], partition: bool) -> None:
    table = f"chunks_{ids['collection']}" if partition else "chunks"
    columns = "chunk_id, collection_id, document_id, position, content, title"
    with sql.copy(f"copy retrieval.{table} ({columns}) from stdin") as copy:
        for number in range(10, 15):
            copy.write_row((1000 + number, ids["collection"], ids["a"], number, "the words", "W"))
    assert value(sql, "select count(*) from retrieval.chunks where title = 'A'") == 7
    assert column(sql, DRIFTED) == []


def test_the_text_configuration_reaches_the_lexemes(
    sql: psycopg.Cursor, ids: dict[str, int]
) -> None:
    lexemes = "select lexemes::text from retrieval.chunks where chunk_id = %(chunk)s"
    assert "'the'" not in sql.execute(lexemes, ids).fetchone()[0]
    sql.execute("update retrieval.documents set text_config = 'simple'")
    assert "'the'" in sql.execute(lexemes, ids).fetchone()[0]


def test_an_unknown_text_configuration_is_refused(sql: psycopg.Cursor, ids: dict[str, int]) -> None:
    error = failure(sql, "update retrieval.documents set text_config = 'klingon'")
    assert error.sqlstate == "22023"


def test_an_unchanged_document_rewrites_no_chunk(sql: psycopg.Cursor, ids: dict[str, int]) -> None:
    rows = "select array_agg(ctid order by chunk_id) from retrieval.chunks"
    before = value(sql, rows)
    sql.execute("update retrieval.documents set title = title, source = 'x', updated_at = now()")
    assert value(sql, rows) == before


@pytest.mark.parametrize("chunk_first", [True, False])
def test_a_document_changed_while_a_chunk_is_added(
    connect: Callable[..., psycopg.Connection], chunk_first: bool
) -> None:
    first, second, observer = connect(), connect(), connect()
    ids = prepare(first)
    add = (INSERT % "" + "values (1001, {collection}, {a}, 7, 'the x')").format(
        chunks="chunks", **ids
    )
    rename = "update retrieval.documents set title = 'New', metadata = '{}'"
    statements = (add, rename) if chunk_first else (rename, add)
    with ThreadPoolExecutor(1) as thread:
        with first.transaction():
            first.execute(statements[0])
            waiting = thread.submit(second.execute, statements[1])
            wait_until_blocked(observer, second)
        waiting.result()
    assert value(observer, "select count(*) from retrieval.chunks where title = 'New'") == 5
    assert column(observer, DRIFTED) == []
