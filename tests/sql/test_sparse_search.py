"""Sparse search, and what becomes of vectors that are too long for an index."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import column, failure, put, value
from vectors import create_space, embed, fill, halves, put_chunks, scores, sparse

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

DIMENSIONS = 3000
SEARCH = "select * from retrieval.sparse_search('c', %s, %s, %s)"
PUT = "select retrieval.put_sparse_embeddings('c', 's', %s, %s::sparsevec[], %s)"
NONZEROS = """select retrieval._count_nonzeros(embedding) from retrieval.sparse_embeddings
              order by chunk_id"""


def long_vector(nonzeros: int, seed: int = 0) -> np.ndarray:
    """A vector with so many different elements, among zeros."""
    numbers = np.random.default_rng(seed)
    values = np.zeros(DIMENSIONS)
    places = numbers.choice(DIMENSIONS, nonzeros, replace=False)
    values[places] = numbers.permutation(np.arange(1, nonzeros + 1)) / 8
    values[places[::2]] *= -1
    return values


def largest(values: np.ndarray, count: int) -> np.ndarray:
    kept = np.zeros(len(values))
    best = np.argsort(-np.abs(values), kind="stable")[:count]
    kept[best] = values[best]
    return kept


@pytest.fixture
def notices(sql: psycopg.Cursor) -> Iterator[list[Any]]:
    """What the server says beside its answers."""
    heard: list[Any] = []

    def hear(said: psycopg.errors.Diagnostic) -> None:
        heard.append((said.severity_nonlocalized, said.message_primary))

    sql.connection.add_notice_handler(hear)
    yield heard
    sql.connection.remove_notice_handler(hear)


# More elements than an index holds


def test_the_largest_are_kept_with_a_warning(sql: psycopg.Cursor, notices: list[Any]) -> None:
    chunks = put_chunks(sql, 3)
    create_space(sql, "s", DIMENSIONS, kind="sparse")
    vectors = [long_vector(count, count) for count in (999, 1000, 1001)]
    embed(sql, "s", chunks[:2], vectors[:2], "sparse")
    assert notices == []
    embed(sql, "s", chunks, vectors, "sparse")
    assert notices == [
        (
            "WARNING",
            "1 of the embeddings have more than the 1000 elements that an index holds;"
            " the largest 1000 of each were kept",
        )
    ]
    assert column(sql, NONZEROS) == [999, 1000, 1000]
    stored = "select embedding = %s::sparsevec from retrieval.sparse_embeddings where chunk_id = %s"
    assert value(sql, stored, [sparse(largest(vectors[2], 1000)), chunks[2]])
    sql.execute("select retrieval.build_index('c', 's', 'sparse')")


def test_all_are_kept_without_an_index(sql: psycopg.Cursor, notices: list[Any]) -> None:
    chunks = put_chunks(sql, 1)
    create_space(sql, "s", DIMENSIONS, kind="sparse", index_method="none")
    embed(sql, "s", chunks, [long_vector(1500)], "sparse")
    assert notices == []
    assert column(sql, NONZEROS) == [1500]


def test_a_plain_insert_of_too_many_is_refused(sql: psycopg.Cursor) -> None:
    (chunk,) = put_chunks(sql, 1)
    create_space(sql, "s", DIMENSIONS, kind="sparse")
    insert = """insert into retrieval.sparse_embeddings
                select space_id, collection_id, %s, %s::sparsevec from retrieval.spaces"""
    error = failure(sql, insert, [chunk, sparse(long_vector(1001))])
    assert error.sqlstate == "23514"
    assert error.diag.constraint_name == "nonzeros_check"
    sql.execute(insert, [chunk, sparse(long_vector(1000))])


@pytest.mark.parametrize("index_method", ["none", "hnsw"])
def test_a_query_of_too_many(sql: psycopg.Cursor, index_method: str) -> None:
    vectors = np.array([long_vector(400, seed) for seed in range(12)])
    chunks = np.array(fill(sql, vectors, kind="sparse", index_method=index_method))
    sql.execute("set local enable_seqscan = off")
    query = long_vector(2000, 99)
    found = sql.execute(SEARCH, [sparse(query), None, 12]).fetchall()
    expected = scores(
        "inner_product", vectors, largest(query, 1000) if index_method == "hnsw" else query
    )
    order = np.argsort(-expected, kind="stable")
    assert [hit.chunk_id for hit in found] == chunks[order].tolist()
    assert [hit.score for hit in found] == pytest.approx(expected[order].tolist(), rel=1e-5)


# keep_largest

elements = st.lists(
    st.floats(-100, 100, width=32).filter(lambda number: number == 0 or abs(number) > 1e-20),
    min_size=1,
    max_size=40,
)


@given(values=elements, count=st.integers(0, 45))
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_largest_elements(sql: psycopg.Cursor, values: list[float], count: int) -> None:
    kept = value(
        sql, "select retrieval.keep_largest(%s, %s)::vector::real[]", [sparse(values), count]
    )
    numbers = np.array(values, np.float32)
    assert np.array(kept, np.float32).tolist() == largest(numbers, count).tolist()


def test_nothing_to_keep(sql: psycopg.Cursor) -> None:
    assert value(sql, "select retrieval.keep_largest('{}/5', 3)::text") == "{}/5"
    assert value(sql, "select retrieval.keep_largest(null, 3)") is None
    large = "{2:-3e+30,999999999:2.5e-30}/1000000000"
    assert value(sql, "select retrieval.keep_largest(%s, 1)::text", [large]) == (
        "{2:-3e+30}/1000000000"
    )


# The search


def test_a_hit_says_where_it_is_from(sql: psycopg.Cursor) -> None:
    (chunk,) = fill(sql, np.array([[0, 2.5, 0]]), kind="sparse")
    hit = sql.execute(SEARCH, ["{2:4,3:1}/3", None, 10]).fetchone()
    assert hit._asdict() == {
        "chunk_id": chunk,
        "document_id": hit.document_id,
        "document_key": "00000",
        "title": None,
        "position": 0,
        "content": "x",
        "metadata": {"n": 0},
        "score": 10,
        "sparse_rank": 1,
        "sparse_score": 10,
    }


@pytest.mark.parametrize("index_method", ["none", "hnsw"])
@pytest.mark.parametrize("below", [200, 100, 3, 0])
def test_filters(sql: psycopg.Cursor, index_method: str, below: int) -> None:
    numbers = np.random.default_rng(7)
    vectors = np.abs(halves(numbers.normal(size=(200, 12)))) * (numbers.random((200, 12)) < 0.3)
    chunks = np.array(fill(sql, vectors, kind="sparse", index_method=index_method))
    sql.execute("set local enable_seqscan = off")
    for query in np.abs(halves(numbers.normal(size=(3, 12)))):
        expected = scores("inner_product", vectors, query)[:below]
        rows = sql.execute(SEARCH, [sparse(query), Jsonb({"n": {"$lt": below}}), 20]).fetchall()
        order = np.argsort(-expected, kind="stable")[:20]
        assert [row.score for row in rows] == pytest.approx(expected[order].tolist(), abs=1e-4)
        assert {row.chunk_id for row in rows} <= set(chunks[:below].tolist())


def test_another_models_signature(sql: psycopg.Cursor) -> None:
    chunks = put_chunks(sql, 1)
    create_space(sql, "s", 2, kind="sparse", signature={"model": "m"})
    signed = "select retrieval.sparse_search('c', '{1:1}/2', space => 's', signature => %s)"
    for signature in ({"model": "other"}, {}, {"model": "m", "more": 1}):
        for error in (
            failure(sql, PUT, [chunks, ["{1:1}/2"], Jsonb(signature)]),
            failure(sql, signed, [Jsonb(signature)]),
        ):
            assert error.sqlstate == "22023"
            assert error.diag.constraint_name == "space_signature"
            assert "made by another model" in error.diag.message_primary
    assert value(sql, PUT, [chunks, ["{1:1}/2"], Jsonb({"model": "m"})]) == 1
    assert len(column(sql, signed, [Jsonb({"model": "m"})])) == 1


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "named"),
    [
        ("'c', '{1:1}/2', max_results => 0", "22023", "max_results"),
        ("'c', '{1:1}/2', max_results => null", "22023", "max_results"),
        ("'c', '{1:1}/2', '[]'", "22023", "filter"),
        ("'c', '{1:1}/2', search_effort => 1001", "22023", "search_effort"),
        ("'c', '{1:1}/2', space => 'x'", "42704", "space x"),
        ("'x', '{1:1}/2'", "42704", "collection x"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, sqlstate: str, named: str) -> None:
    fill(sql, np.eye(2), kind="sparse")
    error = failure(sql, f"select * from retrieval.sparse_search({arguments})")
    assert error.sqlstate == sqlstate
    assert named in error.diag.message_primary


def test_no_active_space(sql: psycopg.Cursor) -> None:
    fill(sql, np.eye(2))
    error = failure(sql, SEARCH, ["{1:1}/2", None, 10])
    assert error.sqlstate == "55000"
    assert error.diag.message_primary == "collection c has no active sparse space"


def test_lists_of_different_lengths(sql: psycopg.Cursor) -> None:
    chunks = put_chunks(sql, 2)
    create_space(sql, "s", 2, kind="sparse")
    error = failure(sql, PUT, [chunks, ["{1:1}/2"], None])
    assert "2 chunk_ids and 1 embeddings" in error.diag.message_primary
    put(sql, "c", {"document_key": "00000", "content": "new"})
    assert value(sql, PUT, [chunks, ["{1:1}/2", "{2:1}/2"], None]) == 1
