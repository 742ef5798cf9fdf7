"""Scores are what numpy says, for every kind, metric and index; what has no score is refused."""

import re
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, value, vector
from vectors import METRICS, create_space, embed, fill, halves, put_chunks, scores, sparse

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

SEARCH = {
    "dense": "select * from retrieval.semantic_search('c', %s, %s, %s)",
    "sparse": "select * from retrieval.sparse_search('c', %s, %s, %s)",
}
FORMAT = {"dense": vector, "sparse": sparse}
INSERT = {
    "dense": "insert into retrieval.embeddings select space_id, collection_id, %s, %s::halfvec"
    " from retrieval.spaces",
    "sparse": "insert into retrieval.sparse_embeddings"
    " select space_id, collection_id, %s, %s::sparsevec from retrieval.spaces",
}


def spaces() -> list[Any]:
    """Every kind of space that can be searched, by its metrics."""
    dense = [
        ("dense", metric, method, "half")
        for method, metrics in (("none", METRICS), ("hnsw", METRICS), ("ivfflat", METRICS[:3]))
        for metric in metrics
    ]
    bit = [
        ("dense", metric, method, "bit") for metric in METRICS[:2] for method in ("hnsw", "ivfflat")
    ]
    sparse_ = [
        ("sparse", metric, method, "half") for metric in METRICS for method in ("none", "hnsw")
    ]
    return [pytest.param(*each, id="-".join(each)) for each in dense + bit + sparse_]


def some_vectors(kind: str, count: int, seed: int) -> np.ndarray:
    """Vectors of different lengths; half of the elements of sparse ones are zero."""
    numbers = np.random.default_rng(seed)
    vectors = halves(numbers.normal(size=(count, 10)) * numbers.uniform(0.5, 3, size=(count, 1)))
    if kind == "sparse":
        vectors[numbers.random(vectors.shape) < 0.5] = 0
        vectors[:, 0] = 1
    return vectors


@pytest.mark.parametrize(("kind", "metric", "index_method", "quantization"), spaces())
def test_as_numpy_says(
    sql: psycopg.Cursor, kind: str, metric: str, index_method: str, quantization: str
) -> None:
    vectors = some_vectors(kind, 120, 3)
    options = {"index_method": index_method, "quantization": quantization}
    chunks = np.array(fill(sql, vectors, kind=kind, metric=metric, **options))
    sql.execute("set local enable_seqscan = off; set local enable_sort = off")
    for query in some_vectors(kind, 3, 4):
        expected = scores(metric, vectors, query)
        order = np.argsort(-expected, kind="stable")
        for condition, below in ((None, 120), (Jsonb({"n": {"$lt": 40}}), 40)):
            kept = order[order < below]
            arguments = [FORMAT[kind](query), condition, below]
            found = sql.execute(SEARCH[kind], arguments).fetchall()
            assert [hit.chunk_id for hit in found] == chunks[kept].tolist()
            assert [hit.score for hit in found] == pytest.approx(expected[kept].tolist(), abs=1e-4)
            assert [hit[-2] for hit in found] == list(range(1, below + 1))
            assert [hit[-1] for hit in found] == [hit.score for hit in found]


INDEXED = [each for each in spaces() if each.values[2] != "none"]


@pytest.mark.parametrize(("kind", "metric", "index_method", "quantization"), INDEXED)
def test_the_index_serves_the_metric(
    sql: psycopg.Cursor, kind: str, metric: str, index_method: str, quantization: str
) -> None:
    vectors = some_vectors(kind, 20, 3)
    options = {"index_method": index_method, "quantization": quantization}
    fill(sql, vectors, kind=kind, metric=metric, **options)
    statement = value(
        sql, "select retrieval._index_scan_statement(s, null, 10, 5) from retrieval.spaces s"
    )
    sql.execute("set local enable_seqscan = off")
    type_ = {"dense": "halfvec", "sparse": "sparsevec"}[kind]
    query = f"'{FORMAT[kind](vectors[0])}'::{type_}"
    plan = "\n".join(column(sql, "explain " + statement.replace("$1", query)))
    table = {"dense": "embeddings", "sparse": "sparse_embeddings"}[kind]
    assert re.search(rf"Index Scan using {table}_\d+_index on", plan)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("metric", METRICS[1:])
def test_zeros_have_a_place_unless_under_cosine(
    sql: psycopg.Cursor, kind: str, metric: str
) -> None:
    vectors = np.array([[0, 0], [1, 0], [3, 0]])
    chunks = fill(sql, vectors, kind=kind, metric=metric)
    found = sql.execute(SEARCH[kind], [FORMAT[kind]([0, 0]), None, 10]).fetchall()
    expected = [0, 0, 0] if metric == "inner_product" else [0, -1, -3]
    assert [(hit.chunk_id, hit.score) for hit in found] == list(zip(chunks, expected, strict=True))


@pytest.mark.parametrize(
    ("kind", "embedding", "sqlstate", "message"),
    [
        ("dense", "[0,0]", "22023", "embedding 2 is all zeros, which has no cosine with anything"),
        ("dense", "[1]", "22023", "embedding 2 has 1 dimensions, space s has 2"),
        ("dense", "[1,2,3]", "22023", "embedding 2 has 3 dimensions, space s has 2"),
        ("dense", "[NaN,1]", "22", "NaN"),
        ("dense", "[1,Infinity]", "22", "infinite"),
        ("dense", "[1,1e6]", "22", "out of range"),
        ("dense", None, "22004", "embedding 2 is null"),
        ("sparse", "{}/2", "22023", "embedding 2 is all zeros, which has no cosine with anything"),
        ("sparse", "{1:1}/1", "22023", "embedding 2 has 1 dimensions, space s has 2"),
        ("sparse", "{1:1}/3", "22023", "embedding 2 has 3 dimensions, space s has 2"),
        ("sparse", "{1:NaN}/2", "22", "NaN"),
        ("sparse", "{1:Infinity}/2", "22", "infinite"),
        ("sparse", "{3:1}/2", "22", "out of bounds"),
        ("sparse", None, "22004", "embedding 2 is null"),
    ],
)
def test_what_a_space_refuses(
    sql: psycopg.Cursor, kind: str, embedding: str | None, sqlstate: str, message: str
) -> None:
    chunks = put_chunks(sql, 2)
    create_space(sql, "s", 2, kind=kind, metric="cosine")
    function, type_ = {
        "dense": ("put_embeddings", "halfvec"),
        "sparse": ("put_sparse_embeddings", "sparsevec"),
    }[kind]
    good = FORMAT[kind]([1, 1])
    put = f"select retrieval.{function}('c', 's', %s, %s::{type_}[])"
    error = failure(sql, put, [chunks, [good, embedding]])
    assert error.sqlstate.startswith(sqlstate)
    assert message in error.diag.message_primary
    assert failure(sql, INSERT[kind], [chunks[0], embedding]).sqlstate[:2] in ("22", "23")
    assert value(sql, "select missing from retrieval.list_spaces('c')") == 2


@pytest.mark.parametrize(
    ("kind", "query", "sqlstate", "message"),
    [
        ("dense", "[0,0]", "22023", "query_embedding is all zeros"),
        ("dense", "[1]", "22023", "query_embedding has 1 dimensions, space s has 2"),
        ("dense", "[NaN,1]", "22", "NaN"),
        ("dense", "[Infinity,1]", "22", "infinite"),
        ("dense", None, "22004", "query_embedding must not be null"),
        ("sparse", "{}/2", "22023", "query_sparse is all zeros"),
        ("sparse", "{1:1}/3", "22023", "query_sparse has 3 dimensions, space s has 2"),
        ("sparse", "{1:NaN}/2", "22", "NaN"),
        ("sparse", "{1:-Infinity}/2", "22", "infinite"),
        ("sparse", None, "22004", "query_sparse must not be null"),
    ],
)
@pytest.mark.parametrize("index_method", ["none", "hnsw"])
def test_queries_that_are_refused(
    sql: psycopg.Cursor,
    kind: str,
    index_method: str,
    query: str | None,
    sqlstate: str,
    message: str,
) -> None:
    fill(sql, np.ones((2, 2)), kind=kind, metric="cosine", index_method=index_method)
    error = failure(sql, SEARCH[kind], [query, None, 10])
    assert error.sqlstate.startswith(sqlstate)
    assert message in error.diag.message_primary


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("index_method", ["none", "hnsw"])
def test_nothing_stored_nothing_found(sql: psycopg.Cursor, kind: str, index_method: str) -> None:
    fill(sql, np.ones((0, 2)), kind=kind, index_method=index_method)
    assert column(sql, SEARCH[kind], [FORMAT[kind]([1, 0]), None, 10]) == []


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_a_chunk_given_twice(sql: psycopg.Cursor, kind: str) -> None:
    chunks = put_chunks(sql, 1)
    create_space(sql, "s", 2, kind=kind)
    with pytest.raises(psycopg.Error, match=f"chunk {chunks[0]} is given twice") as raised:
        embed(sql, "s", chunks * 2, [[1, 0]] * 2, kind)
    assert raised.value.sqlstate == "22023"
