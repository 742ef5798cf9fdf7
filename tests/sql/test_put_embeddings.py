"""Embeddings are stored beside others of the same model only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, wait_until_blocked

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

PUT = "select retrieval.put_embeddings('c', 's', %s, %s::halfvec[], %s)"
STORED = "select embedding::text from retrieval.embeddings order by chunk_id"


def prepare(session: psycopg.Cursor | psycopg.Connection) -> list[int]:
    """Three chunks of the collection c with the space s."""
    session.execute("select retrieval.create_collection('c')")
    session.execute(
        "select retrieval.create_space('c', 's', 'model', 2, signature => %s)",
        [Jsonb({"model": "m", "pooling": "mean"})],
    )
    return [
        row[3] for row in put(session, "c", *({"document_key": k, "content": k} for k in "abd"))
    ]


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """Three chunks of the collection c with the space s."""
    return prepare(sql)


def test_stored_and_replaced(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute(PUT, [chunks, ["[1,0]", "[2,0]", "[3,0]"], None])
    sql.execute(PUT, [chunks[1:2], ["[5,0]"], Jsonb({"pooling": "mean", "model": "m"})])
    assert column(sql, STORED) == ["[1,0]", "[5,0]", "[3,0]"]


@pytest.mark.parametrize(
    ("signature", "named"),
    [
        ({"model": "other", "pooling": "mean"}, 'model is "other"'),
        ({"model": "m"}, "pooling is null"),
        ({"model": "m", "pooling": "mean", "more": 1}, "more is 1"),
        ({}, "model"),
    ],
)
def test_another_models_signature(
    sql: psycopg.Cursor, chunks: list[int], signature: dict, named: str
) -> None:
    for error in (
        failure(sql, PUT, [chunks[:1], ["[1,0]"], Jsonb(signature)]),
        failure(
            sql,
            "select * from retrieval.semantic_search('c', '[1,0]', space => 's', signature => %s)",
            [Jsonb(signature)],
        ),
    ):
        assert error.sqlstate == "22023"
        assert error.diag.constraint_name == "space_signature"
        assert named in str(error)


def test_lists_of_different_lengths(sql: psycopg.Cursor, chunks: list[int]) -> None:
    error = failure(sql, PUT, [chunks, ["[1,0]"], None])
    assert error.sqlstate == "22023"
    assert "3 chunk_ids and 1 embeddings" in str(error)
    sql.execute(PUT, [[], [], None])


def test_unknown_chunks_and_spaces(sql: psycopg.Cursor, chunks: list[int]) -> None:
    assert value(sql, PUT, [[-1, chunks[0]], ["[1,0]", "[0,1]"], None]) == 1
    assert failure(sql, PUT, [[None], ["[1,0]"], None]).sqlstate[:2] in ("22", "23")
    assert failure(sql, PUT, [chunks[:1], [None], None]).sqlstate[:2] in ("22", "23")
    for space, state in (("x", "42704"), (None, "55000")):
        error = failure(sql, "select retrieval.put_embeddings('c', %s, '{}', '{}')", [space])
        assert error.sqlstate == state


def test_missing_embeddings(sql: psycopg.Cursor, chunks: list[int]) -> None:
    missing = "select chunk_id from retrieval.missing_embeddings('c', 's', %s)"
    assert column(sql, missing, [1000]) == chunks
    assert column(sql, missing, [2]) == chunks[:2]
    sql.execute(PUT, [chunks[:1], ["[1,0]"], None])
    assert column(sql, missing, [1000]) == chunks[1:]


def test_two_writers_in_opposite_orders(connect: Callable[..., psycopg.Connection]) -> None:
    sessions = [connect() for _ in range(4)]
    holder, first, second, observer = sessions
    one, middle, two = prepare(holder)
    vectors = ["[1,0]", "[1,0]", "[1,0]"]
    holder.execute(PUT, [[one, middle, two], vectors, None])
    with ThreadPoolExecutor(2) as threads:
        with holder.transaction():
            holder.execute(
                "select from retrieval.embeddings where chunk_id = %s for update", [middle]
            )
            writing = []
            for session, order in ((first, [one, middle, two]), (second, [two, middle, one])):
                writing.append(threads.submit(session.execute, PUT, [order, vectors, None]))
                wait_until_blocked(observer, session)
        for result in writing:
            result.result()
    assert value(observer, "select count(*) from retrieval.embeddings") == 3
