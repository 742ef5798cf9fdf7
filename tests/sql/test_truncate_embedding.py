"""The shorter embeddings of Matryoshka models."""

import numpy as np
import psycopg
import pytest
from statements import column, failure, value, vector
from vectors import create_space, fill, halves

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

TRUNCATE = "select retrieval.truncate_embedding(%s, %s)::real[]"


@pytest.mark.parametrize("dimensions", [1, 7, 64])
def test_as_numpy_says(sql: psycopg.Cursor, dimensions: int) -> None:
    for values in halves(np.random.default_rng(1).normal(size=(10, 64))):
        short = values[:dimensions] / np.linalg.norm(values[:dimensions])
        found = value(sql, TRUNCATE, [vector(values), dimensions])
        assert found == pytest.approx(short.tolist(), abs=1e-3)


@pytest.mark.parametrize("dimensions", [0, -1, 4, 4000])
def test_more_than_there_are(sql: psycopg.Cursor, dimensions: int) -> None:
    error = failure(sql, TRUNCATE, ["[1,2,3]", dimensions])
    assert error.sqlstate == "22023"
    assert error.diag.message_primary == f"dimensions must be between 1 and 3, not {dimensions}"


def test_nothing_to_truncate(sql: psycopg.Cursor) -> None:
    assert value(sql, TRUNCATE, [None, 3]) is None
    assert value(sql, TRUNCATE, ["[1]", None]) is None
    assert value(sql, TRUNCATE, ["[0,0,1]", 2]) == [0, 0]


def test_a_shorter_space_is_filled_in_plain_sql(sql: psycopg.Cursor) -> None:
    vectors = halves(np.random.default_rng(2).normal(size=(50, 16)))
    chunks = np.array(fill(sql, vectors))
    create_space(sql, "short", 4)
    sql.execute(
        """select retrieval.put_embeddings(
               'c', 'short', array_agg(e.chunk_id),
               array_agg(retrieval.truncate_embedding(e.embedding, 4)))
           from retrieval.embeddings e"""
    )
    sql.execute("select retrieval.build_index('c', 'short')")
    sql.execute("select retrieval.activate_space('c', 'short')")
    query = vectors[7, :4]
    shorter = vectors[:, :4] / np.linalg.norm(vectors[:, :4], axis=1, keepdims=True)
    order = np.argsort(-(shorter @ query))[:5]
    found = column(sql, "select * from retrieval.semantic_search('c', %s)", [vector(query)])
    assert found[:5] == chunks[order].tolist()
