"""Filtered searches return what was asked for, however wrong the planner's estimate is."""

from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import value, vector
from vectors import fill, halves, scores

COUNT, DIMENSIONS = 1200, 16
SEARCH = "select * from retrieval.semantic_search('c', %s, %s, %s, search_effort => 40)"
SPACES: dict[str, dict[str, Any]] = {
    "none": {"index_method": "none"},
    "hnsw": {"index_options": {"m": 8, "ef_construction": 32}},
    "ivfflat": {"index_method": "ivfflat", "index_options": {"lists": 30}},
    "bit": {"quantization": "bit", "search_options": {"oversampling": 4}},
}
ESTIMATE = """select retrieval._estimate_rows(
                  'select from retrieval.chunks c where c.collection_id = ' || n.collection_id
                  || ' and ' || retrieval._filter_condition(n, %s))
              from retrieval.collections n"""
numbers = np.random.default_rng(8)
VECTORS = halves(numbers.normal(size=(COUNT, DIMENSIONS)))
QUERIES = halves(numbers.normal(size=(6, DIMENSIONS)))
MANY_QUERIES = halves(numbers.normal(size=(30, DIMENSIONS)))


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest, sql: psycopg.Cursor) -> str:
    """The collection c, with an index that the planner takes wherever it can, never analyzed."""
    fill(sql, VECTORS, **SPACES[request.param])
    sql.execute("set local enable_seqscan = off")
    return request.param


def mark(sql: psycopg.Cursor, group: str, below: int) -> None:
    """Put the documents numbered so into a group."""
    sql.execute(
        """update retrieval.documents
           set metadata = metadata || jsonb_build_object('group', %s::text)
           where (metadata -> 'n')::integer < %s""",
        [group, below],
    )


def check(
    sql: psycopg.Cursor,
    space: str,
    metadata_filter: dict,
    matching: np.ndarray,
    counts: tuple[int, ...] = (1, 10, 100, COUNT),
    queries: np.ndarray = QUERIES,
    least: float = 0.85,
) -> None:
    """As many as asked for, as far as there are; exact without an index, otherwise nearly so."""
    found = wanted = 0
    for query in queries:
        order = np.argsort(-scores("cosine", VECTORS, query), kind="stable")
        order = order[np.isin(order, matching)]
        for count in counts:
            rows = sql.execute(SEARCH, [vector(query), Jsonb(metadata_filter), count]).fetchall()
            chosen = [row.metadata["n"] for row in rows]
            assert len(set(chosen)) == len(chosen) == min(count, len(matching))
            assert set(chosen) <= set(matching.tolist())
            assert [row.score for row in rows] == sorted((r.score for r in rows), reverse=True)
            if space == "none":
                assert chosen == order[:count].tolist()
            found += len(set(chosen) & set(order[:count].tolist()))
            wanted += min(count, len(matching))
    assert found >= least * wanted


@pytest.mark.parametrize("below", [COUNT, 600, 60, 3, 0])
def test_before_analyze(sql: psycopg.Cursor, space: str, below: int) -> None:
    check(sql, space, {"n": {"$lt": below}}, np.arange(below))


@pytest.mark.parametrize("keep", [5, 200])
def test_after_most_rows_changed(sql: psycopg.Cursor, space: str, keep: int) -> None:
    mark(sql, "old", COUNT)
    sql.execute("analyze")
    mark(sql, "new", COUNT - keep)
    few, many = {"group": "old"}, {"group": "new"}
    # wrong in both directions
    assert value(sql, ESTIMATE, [Jsonb(few)]) > 3 * keep
    assert value(sql, ESTIMATE, [Jsonb(many)]) < (COUNT - keep) / 10
    check(sql, space, few, np.arange(COUNT - keep, COUNT))
    check(sql, space, many, np.arange(COUNT - keep))


def test_a_filter_that_was_rarer(sql: psycopg.Cursor, space: str) -> None:
    # few enough to be collected, and then so many that collecting them is given up
    mark(sql, "a", 100)
    sql.execute("analyze")
    mark(sql, "a", COUNT - 20)
    matching = np.arange(COUNT - 20)
    assert 90 < value(sql, ESTIMATE, [Jsonb({"group": "a"})]) < 220
    # four candidates by their signs are not enough to be right
    least = 0.0 if space == "bit" else 0.85
    check(sql, space, {"group": "a"}, matching, (1,), MANY_QUERIES, least)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5])
@pytest.mark.parametrize("analyzed", [True, False])
def test_what_matches_is_farthest(
    sql: psycopg.Cursor, space: str, share: float, analyzed: bool
) -> None:
    query = QUERIES[0]
    farthest = np.argsort(scores("cosine", VECTORS, query))[: int(share * COUNT)]
    sql.execute(
        """update retrieval.documents set metadata = metadata || '{"group": "far"}'
           where (metadata -> 'n')::integer = any (%s)""",
        [farthest.tolist()],
    )
    if analyzed:
        sql.execute("analyze")
    check(sql, space, {"group": "far"}, farthest, queries=QUERIES[:1])


@pytest.mark.parametrize("declared", [True, False])
def test_declared_keys(sql: psycopg.Cursor, space: str, declared: bool) -> None:
    mark(sql, "a", 400)
    if declared:
        sql.execute("select retrieval.index_metadata('c', 'group', 'text')")
    sql.execute("analyze")
    mark(sql, "b", 30)
    check(sql, space, {"group": "a"}, np.arange(30, 400))
    check(sql, space, {"group": "b"}, np.arange(30))


def test_chunks_without_an_embedding_do_not_count(sql: psycopg.Cursor, space: str) -> None:
    sql.execute("analyze")
    sql.execute(
        """delete from retrieval.embeddings e using retrieval.chunks c
           where c.chunk_id = e.chunk_id and (c.metadata -> 'n')::integer >= 20"""
    )
    check(sql, space, {"n": {"$gte": 10}}, np.arange(10, 20))
    check(sql, space, {"n": {"$gte": 20}}, np.arange(0))
