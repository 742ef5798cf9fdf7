"""Queries learn where their answers are, or are left alone."""

from typing import Any

import numpy as np
import pytest

from retrieval.errors import InvalidInput
from retrieval.spaces.query_adapter import fit_query_adapter

DIMENSIONS = 24


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def collection(rng: np.random.Generator, queries: int = 120) -> tuple[Any, Any, Any]:
    """Chunks, queries near two of them each, and these two as graded judgements."""
    chunks = unit(rng.normal(size=(800, DIMENSIONS)))
    pairs = rng.choice(800, size=(queries, 2), replace=False) if queries <= 400 else None
    assert pairs is not None
    centres = chunks[pairs[:, 0]] * 2 + chunks[pairs[:, 1]]
    asked = unit(unit(centres) + 0.08 * rng.normal(size=(queries, DIMENSIONS)))
    judgements = [{int(first): 2, int(second): 1} for first, second in pairs]
    return asked, chunks, judgements


def turned(queries: Any, rng: np.random.Generator, by: float) -> Any:
    """Rotated by an angle in each of twelve planes."""
    basis = np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    plane = np.array([[np.cos(by), np.sin(by)], [-np.sin(by), np.cos(by)]])
    return queries @ basis @ np.kron(np.eye(DIMENSIONS // 2), plane) @ basis.T


def ndcg(queries: Any, chunks: Any, judgements: Any) -> float:
    """Written another way than the adapter's."""
    total = 0.0
    for query, grades in zip(queries, judgements, strict=True):
        best = np.argsort(-(chunks @ query))[:10]
        found = sum(grades.get(int(c), 0) / np.log2(n + 2) for n, c in enumerate(best))
        ideal = sorted(grades.values(), reverse=True)
        total += found / sum(grade / np.log2(n + 2) for n, grade in enumerate(ideal))
    return total / len(queries)


def test_queries_that_are_rotated_are_turned_back() -> None:
    rng = np.random.default_rng(1)
    queries, chunks, judgements = collection(rng, 160)
    wrong = turned(queries, rng, 0.9)
    adapter = fit_query_adapter(wrong[:120], chunks, judgements[:120])
    assert adapter is not None
    assert 0 < adapter.least_gain < adapter.gain
    assert adapter.ndcg == pytest.approx(ndcg(wrong[:120], chunks, judgements[:120]))
    # what was promised is kept with queries that it never saw
    before, after = (
        ndcg(each, chunks, judgements[120:]) for each in (wrong[120:], adapter.apply(wrong[120:]))
    )
    assert after - before == pytest.approx(adapter.gain, abs=0.12)
    assert after - before > 0.15


def test_queries_that_all_lean_one_way_are_set_upright() -> None:
    rng = np.random.default_rng(2)
    queries, chunks, judgements = collection(rng, 160)
    wrong = unit(queries + 1.5 * unit(rng.normal(size=DIMENSIONS)))
    adapter = fit_query_adapter(wrong[:120], chunks, judgements[:120])
    assert adapter is not None
    before, after = (
        ndcg(each, chunks, judgements[120:]) for each in (wrong[120:], adapter.apply(wrong[120:]))
    )
    assert after > before + 0.05


@pytest.mark.parametrize("seed", range(5))
def test_queries_that_are_right_are_left_alone(seed: int) -> None:
    assert fit_query_adapter(*collection(np.random.default_rng(seed))) is None


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_learnt_where_there_is_nothing_to_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, chunks, judgements = collection(rng)
    assert fit_query_adapter(rng.permutation(queries), chunks, judgements) is None


def test_what_it_makes_has_length_one_and_repeats_itself() -> None:
    rng = np.random.default_rng(1)
    queries, chunks, judgements = collection(rng)
    wrong = turned(queries, rng, 0.9)
    adapter, again = (fit_query_adapter(wrong, chunks, judgements) for _ in range(2))
    assert adapter is not None and again is not None
    assert (adapter.gain, adapter.least_gain) == (again.gain, again.least_gain)
    adapted = adapter.apply(wrong)
    assert adapted.dtype == np.float32
    assert np.linalg.norm(adapted, axis=1) == pytest.approx(np.ones(120))
    assert adapter.apply(wrong[0]) == pytest.approx(adapted[0], abs=1e-6)
    other = fit_query_adapter(wrong, chunks, judgements, rng=np.random.default_rng(8))
    assert other is not None and other.least_gain != adapter.least_gain


QUERIES, CHUNKS, JUDGEMENTS = collection(np.random.default_rng(0), 30)


@pytest.mark.parametrize(
    ("queries", "chunks", "judgements", "named"),
    [
        (QUERIES[:29], CHUNKS, JUDGEMENTS[:29], "needs 30 judged queries or more, not 29"),
        (QUERIES, CHUNKS, JUDGEMENTS[:29], "30 queries, but judgements of 29"),
        (QUERIES, CHUNKS[:, :5], JUDGEMENTS, "queries have 24 dimensions, chunks have 5"),
        (QUERIES, CHUNKS * 0, JUDGEMENTS, "chunks: row 0"),
        (QUERIES, CHUNKS, [*JUDGEMENTS[:29], {}], "query 29 has no relevant chunk"),
        (QUERIES, CHUNKS, [*JUDGEMENTS[:29], {3: 0}], "query 29 has no relevant chunk"),
        (QUERIES, CHUNKS, [*JUDGEMENTS[:29], {3: 1, 4: -1}], "query 29"),
        (QUERIES, CHUNKS, [*JUDGEMENTS[:29], {800: 1}], "query 29 names a chunk"),
    ],
)
def test_unusable_arguments(queries: Any, chunks: Any, judgements: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        fit_query_adapter(queries, chunks, judgements)
