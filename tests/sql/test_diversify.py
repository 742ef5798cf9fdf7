"""Maximal marginal relevance chooses what numpy would of the same embeddings."""

from typing import Any

import numpy as np
import psycopg
import pytest
from statements import failure, put
from vectors import METRICS, create_space, embed, fill, halves, put_chunks

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

DIVERSIFY = "select * from retrieval.diversify('c', %s, %s, %s, %s)"


def diversify(
    sql: psycopg.Cursor,
    chunk_ids: list[int],
    scores: list[float],
    mmr_lambda: float = 0.5,
    max_results: int = 10,
) -> list[Any]:
    return sql.execute(DIVERSIFY, [chunk_ids, scores, mmr_lambda, max_results]).fetchall()


def ids(found: list[Any]) -> list[int]:
    return [row.chunk_id for row in found]


def put_bare(sql: psycopg.Cursor, count: int) -> list[int]:
    """More chunks of the collection, without embeddings."""
    documents = [{"document_key": f"bare {n}", "content": "y"} for n in range(count)]
    return [row.chunk_id for row in put(sql, "c", *documents)]


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Between all pairs; 0 with what has no direction."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return directions @ directions.T


def relevances(scores: np.ndarray) -> np.ndarray:
    spread = np.ptp(scores)
    return (scores - scores.min()) / spread if spread else np.ones(len(scores))


@pytest.mark.parametrize("metric", METRICS)
def test_random_rankings(sql: psycopg.Cursor, metric: str) -> None:
    """Every choice is, up to the last digits, the best that was left."""
    chosen = np.random.default_rng(METRICS.index(metric))
    vectors = halves(chosen.normal(size=(5, 6))[np.arange(50) % 5] + chosen.normal(size=(50, 6)))
    vectors[40:45] = vectors[:5]
    if metric != "cosine":
        vectors[45] = 0
    chunks = fill(sql, vectors[:46], metric=metric, index_method="none") + put_bare(sql, 4)
    vectors[46:] = 0
    similarities = cosines(vectors)
    for _ in range(40):
        count = int(chosen.integers(1, 51))
        numbers = chosen.permutation(50)[:count]
        scores = chosen.choice([chosen.normal(size=count) * 9, chosen.integers(-2, 3, count) * 1.0])
        mmr_lambda, wanted = chosen.choice([0, 0.3, 0.5, 0.9, 1]), int(chosen.integers(1, 60))
        found = diversify(sql, [chunks[n] for n in numbers], scores.tolist(), mmr_lambda, wanted)
        assert len(found) == len(set(ids(found))) == min(count, wanted)
        relevance = relevances(scores)
        left = list(range(count))
        before: list[int] = []
        for row in found:
            nearest = similarities[np.ix_(numbers[left], numbers[before])]
            worth = mmr_lambda * relevance[left]
            if before:
                worth = worth - (1 - mmr_lambda) * nearest.max(axis=1)
            place = left.index(int(np.flatnonzero(numbers == chunks.index(row.chunk_id))[0]))
            assert row.score == scores[left[place]]
            assert row.mmr_score == pytest.approx(worth[place], abs=1e-5)
            assert row.mmr_score == pytest.approx(worth.max(), abs=1e-5)
            before.append(left.pop(place))


# On a quarter of a circle: 0 and 1 are alike, 2 is further, 3 is at right angles to 0.
QUARTER = np.array([[1, 0], [0.99, 0.1], [0.7, 0.7], [0, 1.0]])
SCORES = [1.0, 0.9, 0.6, 0.0]


@pytest.mark.parametrize(
    ("mmr_lambda", "order"),
    [(1, [0, 1, 2, 3]), (0.9, [0, 1, 2, 3]), (0.5, [0, 3, 1, 2]), (0, [0, 3, 2, 1])],
)
def test_from_the_ranking_to_diversity(
    sql: psycopg.Cursor, mmr_lambda: float, order: list[int]
) -> None:
    chunks = fill(sql, QUARTER, index_method="none")
    found = diversify(sql, chunks, SCORES, mmr_lambda)
    assert ids(found) == [chunks[n] for n in order]
    assert found[0].mmr_score == mmr_lambda


def test_worked_out_by_hand(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.array([[1.0, 0], [2, 0], [0, 3], [-1, 0]]))
    found = diversify(sql, chunks, [10, 8, 5, 0], 0.75)
    assert ids(found) == [chunks[n] for n in (0, 2, 1, 3)]
    assert [row.mmr_score for row in found] == pytest.approx(
        [0.75, 0.75 * 0.5, 0.75 * 0.8 - 0.25, 0.25 * 0], abs=1e-6
    )


def test_the_order_of_the_arrays_is_nothing(sql: psycopg.Cursor) -> None:
    """Equal chunks of equal scores are chosen by their ids."""
    chunks = fill(sql, QUARTER[[0, 0, 3, 3, 1, 1]], index_method="none")
    scores = [0.5, 0.5, 0.5, 0.5, 0.1, 0.1]
    expected = diversify(sql, chunks, scores)
    assert ids(expected) == [chunks[n] for n in (0, 2, 1, 3, 4, 5)]
    for order in (range(5, -1, -1), [3, 0, 5, 1, 4, 2]):
        found = diversify(sql, [chunks[n] for n in order], [scores[n] for n in order])
        assert found == expected
    assert ids(diversify(sql, chunks[::-1], scores[::-1], 1)) == chunks


@pytest.mark.parametrize("only", [0.0, -7.5])
def test_equal_scores_are_all_relevant(sql: psycopg.Cursor, only: float) -> None:
    chunks = fill(sql, np.eye(3))
    found = diversify(sql, chunks, [only] * 3, 0.4)
    assert found == [(chunk, only, 0.4) for chunk in chunks]


def test_what_has_no_embedding_is_like_nothing(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, QUARTER, index_method="none")
    bare = put_bare(sql, 2)
    found = diversify(sql, chunks + bare, [*SCORES, 0.9, 0.1], 0.5)
    assert sorted(ids(found)) == sorted(chunks + bare)
    assert (found[1].chunk_id, found[1].mmr_score) == (bare[0], 0.45)
    assert diversify(sql, bare, [1, 3]) == [(bare[1], 3, 0.5), (bare[0], 1, 0)]


def test_the_space_that_is_named(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.eye(2)[[0, 0, 1]])
    create_space(sql, "other", 2, metric="l2")
    embed(sql, "other", chunks, np.eye(2)[[0, 1, 0]].tolist())
    for space, second in ((None, 2), ("s", 2), ("other", 1)):
        found = sql.execute(
            "select * from retrieval.diversify('c', %s, '{1,1,1}', 0.5, 2, %s)", [chunks, space]
        ).fetchall()
        assert ids(found) == [chunks[0], chunks[second]]


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("mmr_lambda => 1.01", "22023", "mmr_lambda must be between 0 and 1, not 1.01"),
        ("mmr_lambda => -0.1", "22023", "mmr_lambda must be between 0 and 1, not -0.1"),
        ("mmr_lambda => 'NaN'", "22023", "mmr_lambda must be between 0 and 1, not NaN"),
        ("mmr_lambda => null", "22023", "mmr_lambda must be between 0 and 1, not null"),
        ("max_results => 0", "22023", "max_results must be between"),
        ("max_results => null", "22023", "max_results must be between"),
        ("space => 'x'", "42704", "space x does not exist"),
        ("space => 'words'", "22023", "space words is sparse, not dense"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    fill(sql, QUARTER, index_method="none")
    create_space(sql, "words", 9, kind="sparse", metric="inner_product")
    error = failure(sql, f"select * from retrieval.diversify('c', '{{}}', '{{}}', {arguments})")
    assert error.sqlstate == sqlstate
    assert message in error.diag.message_primary


def test_without_an_active_space(sql: psycopg.Cursor) -> None:
    chunks = put_chunks(sql, 1)
    error = failure(sql, DIVERSIFY, [chunks, [1], 0.5, 10])
    assert error.sqlstate == "55000"
    assert "collection c has no active space" in error.diag.message_primary
