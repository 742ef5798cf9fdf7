"""Searches map query embeddings as the space's query adapter says, and nothing else."""

from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, value, vector
from vectors import create_space, embed, fill, halves, scores

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

SET = "select retrieval.set_query_adapter('c', %s, %s::halfvec[], %s::halfvec, %s)"
SEARCH = "select * from retrieval.semantic_search('c', %s, max_results => 60)"
HYBRID = "select * from retrieval.hybrid_search('c', null, %s, max_results => 60)"
numbers = np.random.default_rng(4)
VECTORS = halves(numbers.normal(size=(60, 6)))
MATRIX = halves(numbers.normal(size=(6, 6)))
TRANSLATION = halves(numbers.normal(size=6))
QUERIES = halves(numbers.normal(size=(4, 6)) * 3)


def set_adapter(
    sql: psycopg.Cursor, matrix: np.ndarray, translation: np.ndarray, space: str | None = None
) -> None:
    rows = [vector(row) for row in matrix]
    sql.execute(SET, [space, rows, vector(translation), Jsonb({"from": "test"})])


def adapted(query: np.ndarray) -> np.ndarray:
    mapped = MATRIX @ (query / np.linalg.norm(query)) + TRANSLATION
    return mapped / np.linalg.norm(mapped)


@pytest.mark.parametrize("metric", ["cosine", "inner_product", "l2"])
@pytest.mark.parametrize("index_method", ["none", "hnsw"])
def test_as_numpy_says(sql: psycopg.Cursor, metric: str, index_method: str) -> None:
    chunks = np.array(fill(sql, VECTORS, metric=metric, index_method=index_method))
    set_adapter(sql, MATRIX, TRANSLATION)
    for query in QUERIES:
        expected = scores(metric, VECTORS, adapted(query))
        by_chunk = dict(zip(chunks.tolist(), expected.tolist(), strict=True))
        for found in (
            [(hit.chunk_id, hit.score) for hit in sql.execute(SEARCH, [vector(query)])],
            [(hit.chunk_id, hit.semantic_score) for hit in sql.execute(HYBRID, [vector(query)])],
        ):
            assert dict(found) == pytest.approx(by_chunk, abs=0.01)
            assert found[0][0] == chunks[np.argmax(expected)]


def test_adapt_query(sql: psycopg.Cursor) -> None:
    fill(sql, VECTORS)
    query = "select retrieval.adapt_query('c', %s::halfvec)::text"
    given = value(sql, query, [vector(QUERIES[0])])
    assert np.fromstring(given.strip("[]"), sep=",") == pytest.approx(QUERIES[0])
    set_adapter(sql, MATRIX, TRANSLATION)
    mapped = np.fromstring(value(sql, query, [vector(QUERIES[0])]).strip("[]"), sep=",")
    assert mapped / np.linalg.norm(mapped) == pytest.approx(adapted(QUERIES[0]), abs=0.01)
    assert failure(sql, query.replace("'c'", "'none'"), [vector(QUERIES[0])]).sqlstate == "42704"


def test_another_direction(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.eye(3))
    shifted = np.roll(np.eye(3), 1, axis=0)  # the second number is the first of the query
    set_adapter(sql, shifted, np.zeros(3))
    for number, query in enumerate(("[5,0,0]", "[0,1,0]", "[0,0,0.1]")):
        for search in (SEARCH, HYBRID):
            assert column(sql, search, [query])[0] == chunks[(number + 1) % 3]
    set_adapter(sql, np.eye(3), np.array([0, 0, 9]))  # replaces
    assert column(sql, SEARCH, ["[1,0,0]"])[0] == chunks[2]


def test_what_is_stored_stays(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, VECTORS)
    set_adapter(sql, MATRIX, TRANSLATION)
    matrix, translation, details = sql.execute(
        "select matrix::text[], translation::real[], details from retrieval.query_adapters"
    ).fetchone()
    read = np.array([row.strip("[]").split(",") for row in matrix], float)
    np.testing.assert_allclose(read, MATRIX, rtol=1e-4)
    np.testing.assert_allclose(translation, TRANSLATION, rtol=1e-4)
    assert details == {"from": "test"}
    embed(sql, "s", chunks, VECTORS.tolist())
    stored = column(sql, "select embedding::real[] from retrieval.embeddings order by chunk_id")
    np.testing.assert_allclose(stored, VECTORS, rtol=1e-4)


def test_other_spaces_are_searched_as_they_are(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, VECTORS)
    create_space(sql, "plain", 6)
    embed(sql, "plain", chunks, VECTORS.tolist())
    set_adapter(sql, MATRIX, TRANSLATION, "s")
    plain = SEARCH.replace("max_results", "space => 'plain', max_results")
    for query in QUERIES:
        nearest = chunks[np.argmax(scores("cosine", VECTORS, query))]
        assert column(sql, plain, [vector(query)])[0] == nearest
    listed = "select name, has_query_adapter from retrieval.list_spaces('c')"
    assert dict(sql.execute(listed).fetchall()) == {"s": True, "plain": False}


def test_dropped(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, VECTORS)
    before = sql.execute(SEARCH, [vector(QUERIES[0])]).fetchall()
    set_adapter(sql, MATRIX, TRANSLATION)
    assert sql.execute(SEARCH, [vector(QUERIES[0])]).fetchall() != before
    drop = "select retrieval.drop_query_adapter('c', 's')"
    assert value(sql, drop) is True
    assert sql.execute(SEARCH, [vector(QUERIES[0])]).fetchall() == before
    assert value(sql, drop) is False
    assert len(before) == len(chunks)


def test_it_goes_with_its_space(sql: psycopg.Cursor) -> None:
    fill(sql, VECTORS)
    set_adapter(sql, MATRIX, TRANSLATION)
    sql.execute("select retrieval.drop_space('c', 's', force => true)")
    assert column(sql, "select * from retrieval.query_adapters") == []


@pytest.mark.parametrize(
    ("matrix", "translation"),
    [
        (["[1,0]"], "[0,0]"),
        (["[1,0]"] * 3, "[0,0]"),
        (["[1,0]", "[1]"], "[0,0]"),
        (["[1,0]", "[1,0,0]"], "[0,0]"),
        (["[1,0]", None], "[0,0]"),
        ([], "[0,0]"),
        (None, "[0,0]"),
        (["[1,0]", "[0,1]"], "[0]"),
        (["[1,0]", "[0,1]"], "[0,0,0]"),
        (["[1,0]", "[0,1]"], None),
    ],
)
def test_the_wrong_shape(sql: psycopg.Cursor, matrix: Any, translation: str | None) -> None:
    fill(sql, np.eye(2))
    error = failure(sql, SET, ["s", matrix, translation, Jsonb({})])
    assert error.sqlstate == "22023"
    assert "matrix must have 2 rows of 2 numbers" in error.diag.message_primary
    assert column(sql, "select * from retrieval.query_adapters") == []


def test_a_query_that_is_mapped_to_nothing(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.eye(2))
    set_adapter(sql, np.array([[1, 0], [0, 0]]), np.zeros(2))
    error = failure(sql, SEARCH, ["[0,1]"])
    assert error.sqlstate == "22023"
    assert "query adapter of space s" in error.diag.message_primary
    assert column(sql, SEARCH, ["[1,1]"]) == chunks


def test_an_unknown_space(sql: psycopg.Cursor) -> None:
    fill(sql, np.eye(2))
    assert failure(sql, SET, ["x", ["[1,0]"] * 2, "[0,0]", Jsonb({})]).sqlstate == "42704"
    drop = "select retrieval.drop_query_adapter('c', 'x')"
    assert failure(sql, drop).sqlstate == "42704"
