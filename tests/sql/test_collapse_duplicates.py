"""Near-duplicates fall to the best chunk before them that they are like."""

from typing import Any

import numpy as np
import psycopg
import pytest
from statements import failure, put, value
from vectors import METRICS, create_space, embed, fill, halves

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

COLLAPSE = "select * from retrieval.collapse_duplicates('c', %s, %s, %s)"


def collapse(
    sql: psycopg.Cursor, chunk_ids: list[int], scores: list[float], similarity: float = 0.95
) -> list[Any]:
    return sql.execute(COLLAPSE, [chunk_ids, scores, similarity]).fetchall()


def groups(found: list[Any], chunks: list[int]) -> list[tuple[int, list[int]]]:
    """The numbers of what is kept, each with the numbers of what fell to it."""
    return [
        (chunks.index(row.chunk_id), [chunks.index(each) for each in row.duplicates])
        for row in found
    ]


def put_contents(sql: psycopg.Cursor, *contents: str) -> list[int]:
    """The collection c with one chunk for each content."""
    sql.execute("select retrieval.create_collection('c')")
    return put_more(sql, *contents)


def put_more(sql: psycopg.Cursor, *contents: str) -> list[int]:
    first = value(sql, "select count(*) from retrieval.documents")
    documents = [{"document_key": f"{first + n:05}", "content": c} for n, c in enumerate(contents)]
    return [row.chunk_id for row in put(sql, "c", *documents)]


def on_a_circle(*degrees: float) -> np.ndarray:
    turns = np.radians(degrees)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def activate(sql: psycopg.Cursor, chunks: list[int], vectors: np.ndarray, **more: Any) -> None:
    """Make s the active space, with these embeddings."""
    create_space(sql, "s", vectors.shape[1], **more)
    embed(sql, "s", chunks, vectors.tolist())
    sql.execute("select retrieval.activate_space('c', 's')")


def reference(
    alike: np.ndarray, chunk_ids: list[int], scores: list[float]
) -> list[tuple[int, float, list[int]]]:
    order = sorted(range(len(chunk_ids)), key=lambda n: (-scores[n], chunk_ids[n]))
    kept: dict[int, list[int]] = {}
    for n in order:
        keeper = next((each for each in kept if alike[each, n]), None)
        if keeper is None:
            kept[n] = []
        else:
            kept[keeper].append(n)
    return [(chunk_ids[n], scores[n], [chunk_ids[d] for d in fell]) for n, fell in kept.items()]


@pytest.mark.parametrize("metric", METRICS)
def test_random_rankings(sql: psycopg.Cursor, metric: str) -> None:
    chosen = np.random.default_rng(METRICS.index(metric))
    contents = chosen.permutation(
        [f"text {n}" for n in range(30)] + [f"text {n}" for n in range(9)]
    )
    chunks = put_contents(sql, *contents[:35])
    centres = chosen.normal(size=(6, 5))[np.arange(39) % 6]
    vectors = halves(centres + 0.5 * chosen.normal(size=(39, 5)))
    activate(sql, chunks, vectors[:35], metric=metric, index_method="none")
    chunks += put_more(sql, *contents[35:])
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    directions[35:] = 0
    for _ in range(30):
        numbers = chosen.permutation(len(chunks))[: chosen.integers(1, len(chunks) + 1)]
        similarity = chosen.choice([0.01, 0.5, 0.8, 0.95, 1])
        near = directions[numbers] @ directions[numbers].T
        assert not (abs(near - similarity)[~np.eye(len(numbers), dtype=bool)] < 1e-6).any()
        alike = (near >= similarity) | (contents[numbers, None] == contents[None, numbers])
        ids = [chunks[n] for n in numbers]
        scores = (chosen.integers(0, 9, len(ids)) * 0.5).tolist()
        assert collapse(sql, ids, scores, similarity) == reference(alike, ids, scores)


def test_a_chunk_falls_to_the_best_that_it_is_like(sql: psycopg.Cursor) -> None:
    """Not to the nearest, and not to one that has fallen itself."""
    chunks = put_contents(sql, *"abcd")
    activate(sql, chunks, on_a_circle(0, 50, 30, 70))
    similarity = float(np.cos(np.radians(35)))
    found = collapse(sql, chunks, [4, 3, 2, 1], similarity)
    assert groups(found, chunks) == [(0, [2]), (1, [3])]
    found = collapse(sql, chunks, [4, 1, 3, 2], similarity)
    assert groups(found, chunks) == [(0, [2]), (3, [1])]


def test_the_order_of_the_arrays_is_nothing(sql: psycopg.Cursor) -> None:
    chunks = put_contents(sql, "x", "y", "y", "x")
    assert groups(collapse(sql, chunks[::-1], [1, 1, 1, 1]), chunks) == [(0, [3]), (1, [2])]
    assert groups(collapse(sql, chunks[::-1], [4, 3, 2, 1]), chunks) == [(3, [0]), (2, [1])]


def test_equal_content_is_alike_without_a_space(sql: psycopg.Cursor) -> None:
    chunks = put_contents(sql, "a b", "A b", "a b", "a b ", "a b")
    found = collapse(sql, chunks, [1, 2, 3, 4, 5])
    assert groups(found, chunks) == [(4, [2, 0]), (3, []), (1, [])]
    assert [row.score for row in found] == [5, 4, 2]


def test_equal_content_is_alike_in_a_space(sql: psycopg.Cursor) -> None:
    """However different the embeddings, as those under other titles are, and with none."""
    chunks = put_contents(sql, *"xyx")
    activate(sql, chunks, on_a_circle(0, 1, 90))
    chunks += put_more(sql, *"yx")
    assert groups(collapse(sql, chunks, [5, 4, 3, 2, 1], 1), chunks) == [(0, [2, 4]), (1, [3])]


def test_no_content_is_not_equal(sql: psycopg.Cursor) -> None:
    """Documents that are only a title differ in it."""
    chunks = put_contents(sql, "", "", "")
    assert groups(collapse(sql, chunks, [3, 2, 1]), chunks) == [(0, []), (1, []), (2, [])]
    activate(sql, chunks, on_a_circle(0, 90, 0))
    assert groups(collapse(sql, chunks, [3, 2, 1]), chunks) == [(0, [2]), (1, [])]


def test_the_same_embedding_is_alike_at_1(sql: psycopg.Cursor) -> None:
    vectors = np.random.default_rng(5).normal(size=(10, 384))
    chunks = put_contents(sql, *map(str, range(20)))
    activate(sql, chunks, np.concatenate([vectors, vectors]))
    found = collapse(sql, chunks, [1.0] * 20, 1)
    assert groups(found, chunks) == [(n, [n + 10]) for n in range(10)]


def test_zeros_are_like_nothing(sql: psycopg.Cursor) -> None:
    chunks = put_contents(sql, *"abc")
    activate(sql, chunks, np.array([[0, 0], [0, 0], [1, 1]]), metric="l2")
    assert [row.duplicates for row in collapse(sql, chunks, [3, 2, 1], 0)] == [[], [], []]


def test_the_space_that_is_named(sql: psycopg.Cursor) -> None:
    chunks = put_contents(sql, *"abc")
    activate(sql, chunks, on_a_circle(0, 0, 90))
    create_space(sql, "other", 2, metric="l2")
    embed(sql, "other", chunks, on_a_circle(0, 90, 0).tolist())
    for name, expected in (
        (None, [(0, [1]), (2, [])]),
        ("s", [(0, [1]), (2, [])]),
        ("other", [(0, [2]), (1, [])]),
    ):
        found = sql.execute(
            "select * from retrieval.collapse_duplicates('c', %s, '{3,2,1}', space => %s)",
            [chunks, name],
        ).fetchall()
        assert groups(found, chunks) == expected


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("similarity => 1.5", "22023", "similarity must be between 0 and 1, not 1.5"),
        ("similarity => -1", "22023", "similarity must be between 0 and 1, not -1"),
        ("similarity => null", "22023", "similarity must be between 0 and 1, not null"),
        ("similarity => 'NaN'", "22023", "similarity must be between 0 and 1, not NaN"),
        ("space => 'x'", "42704", "space x does not exist in collection c"),
        ("space => 'words'", "22023", "space words is sparse, not dense"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    fill(sql, np.eye(9), kind="sparse", metric="inner_product")
    sql.execute("update retrieval.spaces set name = 'words'")
    error = failure(
        sql, f"select * from retrieval.collapse_duplicates('c', '{{}}', '{{}}', {arguments})"
    )
    assert error.sqlstate == sqlstate
    assert message in error.diag.message_primary
