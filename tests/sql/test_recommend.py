"""Recommendations are what numpy says of the same examples, under every metric and strategy."""

from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import failure, put
from vectors import METRICS, embed, fill, halves, scores

from retrieval.database import open_engine, upgrade_schema

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

DIMENSIONS = 6


def named(options: dict[str, Any]) -> str:
    return "".join(f", {name} => %({name})s" for name in options)


def recommend(
    sql: psycopg.Cursor, positive: list[int], negative: list[int] | None = None, **options: Any
) -> list[Any]:
    given = {k: Jsonb(v) if isinstance(v, dict) else v for k, v in options.items()}
    return sql.execute(
        "select * from retrieval.recommend('c', %(positive)s, %(negative)s::bigint[]"
        f"{named(options)})",
        {"positive": positive, "negative": negative or [], **given},
    ).fetchall()


def recommend_documents(
    sql: psycopg.Cursor, positive: list[str], negative: list[str] | None = None, **options: Any
) -> list[Any]:
    given = {k: Jsonb(v) if isinstance(v, dict) else v for k, v in options.items()}
    return sql.execute(
        "select * from retrieval.recommend_documents('c', %(positive)s, %(negative)s::text[]"
        f"{named(options)})",
        {"positive": positive, "negative": negative or [], **given},
    ).fetchall()


def mean(vectors: np.ndarray, metric: str) -> np.ndarray:
    if metric == "cosine":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.mean(axis=0)


def squashed(x: np.ndarray) -> np.ndarray:
    return 0.5 * (x / (1 + np.abs(x)) + 1)


def reference(
    metric: str, strategy: str, vectors: np.ndarray, liked: np.ndarray, disliked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The score of every vector, and its similarity to what is liked."""
    if strategy == "average_vector":
        query = mean(liked, metric)
        if len(disliked):
            query = 2 * query - mean(disliked, metric)
        found = scores(metric, vectors, halves(query))
        return found, found
    near = np.max([scores(metric, vectors, each) for each in liked], axis=0)
    if not len(disliked):
        return squashed(near), near
    far = np.max([scores(metric, vectors, each) for each in disliked], axis=0)
    return np.where(near > far, squashed(near), -squashed(far)), near


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(METRICS),
    strategy=st.sampled_from(["average_vector", "best_score"]),
    examples=st.tuples(st.integers(1, 4), st.integers(0, 4)),
    max_results=st.sampled_from([1, 5, 100]),
    below=st.sampled_from([None, 0, 3, 25]),
)
@pytest.mark.newest
def test_random_examples(
    sql: psycopg.Cursor,
    seed: int,
    metric: str,
    strategy: str,
    examples: tuple[int, int],
    max_results: int,
    below: int | None,
) -> None:
    with sql.connection.transaction(force_rollback=True):
        chosen = np.random.default_rng(seed)
        vectors = halves(chosen.normal(size=(40, DIMENSIONS)))
        chunks = fill(sql, vectors, metric=metric, index_method="none")
        numbers = chosen.permutation(40)
        liked, disliked = numbers[: examples[0]], numbers[4 : 4 + examples[1]]
        condition = {} if below is None else {"metadata_filter": {"n": {"$lt": below}}}
        found = recommend(
            sql,
            [chunks[n] for n in liked],
            [chunks[n] for n in disliked],
            strategy=strategy,
            max_results=max_results,
            **condition,
        )
        expected, near = reference(metric, strategy, vectors, vectors[liked], vectors[disliked])
        left = [
            n for n in range(40) if n not in {*liked, *disliked} and (below is None or n < below)
        ]
        best = sorted(left, key=lambda n: -expected[n])[:max_results]
        assert [hit.semantic_rank for hit in found] == list(range(1, len(best) + 1))
        assert [hit.score for hit in found] == pytest.approx(expected[best], abs=5e-3)
        for hit in found:
            number = chunks.index(hit.chunk_id)
            assert number in left
            assert hit.score == pytest.approx(expected[number], abs=5e-3)
            assert hit.semantic_score == pytest.approx(near[number], abs=5e-3)


@pytest.mark.parametrize("quantization", ["half", "bit"])
def test_with_an_index(sql: psycopg.Cursor, quantization: str) -> None:
    vectors = halves(np.random.default_rng(2).normal(size=(400, 32)))
    chunks = fill(sql, vectors, quantization=quantization)
    sql.execute("set local enable_seqscan = off")
    for strategy in ("average_vector", "best_score"):
        found = recommend(sql, chunks[:3], chunks[3:5], strategy=strategy, search_effort=400)
        expected, _ = reference("cosine", strategy, vectors, vectors[:3], vectors[3:5])
        best = [n for n in np.argsort(-expected) if n >= 5][:10]
        assert len({chunks[n] for n in best} & {hit.chunk_id for hit in found}) >= 9


def test_what_is_nearer_to_a_negative_example_comes_last(sql: psycopg.Cursor) -> None:
    """Also where every similarity is negative, as distances are."""
    chunks = fill(sql, np.array([[0.0], [10], [1], [4], [6], [9]]), metric="l2")
    found = recommend(sql, chunks[:1], chunks[1:2], strategy="best_score")
    assert [chunks.index(hit.chunk_id) for hit in found] == [2, 3, 4, 5]
    assert [hit.score > 0 for hit in found] == [True, True, False, False]
    assert [hit.semantic_score for hit in found] == [-1, -4, -6, -9]


def test_candidates_are_the_nearest_of_each_positive_example(sql: psycopg.Cursor) -> None:
    numbers = np.array(
        [[0.0], [100], *([n] for n in range(1, 30)), *([100 + n] for n in range(1, 9))]
    )
    chunks = fill(sql, numbers, metric="l2")
    options = {"strategy": "best_score", "candidates": 3, "max_results": 3}
    found = recommend(sql, chunks[:2], **options)
    assert [chunks.index(hit.chunk_id) for hit in found] == [2, 31, 3]
    found = recommend(sql, chunks[:2], **options | {"candidates": 1, "max_results": 6})
    assert len(found) == 6


# Which chunks are examples, and which are left out


def fill_documents(sql: psycopg.Cursor) -> dict[str, list[int]]:
    """Three documents of several chunks in the space s of the collection c."""
    sql.execute("select retrieval.create_collection('c')")
    parts = {"a": 3, "b": 2, "c": 4}
    rows = put(
        sql,
        "c",
        *(
            {"document_key": key, "chunks": [{"content": f"{key}{n}"} for n in range(count)]}
            for key, count in parts.items()
        ),
    )
    sql.execute("select retrieval.create_space('c', 's', 'm', 2, index_method => 'none')")
    # on a quarter of a circle, in this order
    turns = np.linspace(0, np.pi / 2, len(rows))
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    embed(sql, "s", [row.chunk_id for row in rows], vectors.tolist())
    sql.execute("select retrieval.activate_space('c', 's')")
    chunks: dict[str, list[int]] = {key: [] for key in parts}
    for row in rows:
        chunks[row.document_key].append(row.chunk_id)
    return chunks


def test_the_rest_of_an_examples_document_is_left_out(sql: psycopg.Cursor) -> None:
    chunks = fill_documents(sql)
    found = [hit.chunk_id for hit in recommend(sql, chunks["a"][:1])]
    assert found == chunks["b"] + chunks["c"]
    found = [hit.chunk_id for hit in recommend(sql, chunks["a"][:1], exclude_documents=False)]
    assert found == chunks["a"][1:] + chunks["b"] + chunks["c"]
    found = recommend(sql, chunks["a"][:1], chunks["c"][-1:], exclude_documents=False)
    assert {hit.chunk_id for hit in found} == {*chunks["a"][1:], *chunks["b"], *chunks["c"][:-1]}
    assert recommend(sql, [each[0] for each in chunks.values()]) == []


def test_an_example_named_twice_counts_once(sql: psycopg.Cursor) -> None:
    chunks = fill_documents(sql)
    one, other = chunks["a"][0], chunks["c"][3]
    assert recommend(sql, [one, other, one]) == recommend(sql, [other, one])


def test_a_query_adapter_has_no_say(sql: psycopg.Cursor) -> None:
    chunks = fill_documents(sql)
    before = recommend(sql, chunks["a"][:1])
    sql.execute("select retrieval.set_query_adapter('c', 's', '{\"[0,1]\",\"[1,0]\"}', '[0,0]')")
    assert recommend(sql, chunks["a"][:1]) == before


def test_a_hit_says_where_it_is_from(sql: psycopg.Cursor) -> None:
    chunks = fill_documents(sql)
    hit = recommend(sql, chunks["a"][:1], max_results=1)[0]
    assert (hit.document_key, hit.position, hit.content, hit.metadata) == ("b", 0, "b0", {})
    assert hit.score == hit.semantic_score == pytest.approx(np.cos(3 / 8 * np.pi / 2), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("'{}'", "22023", "there must be a positive example"),
        ("null", "22023", "there must be a positive example"),
        ("'{}', '{1}', strategy => 'best_score'", "22023", "there must be a positive example"),
        ("array[%(a)s], array[%(a)s]", "22023", "chunk %(a)s is both a positive and a negative"),
        ("array[%(a)s, null]", "22004", "an example must not be null"),
        ("array[%(a)s, 999999]", "42704", "chunk 999999 does not exist in collection c"),
        ("array[%(a)s], array[999999]", "42704", "chunk 999999 does not exist in collection c"),
        ("array[%(other)s]", "42704", "chunk %(other)s does not exist in collection c"),
        ("array[%(bare)s]", "55000", "chunk %(bare)s has no embedding in space s"),
        ("array[%(a)s], max_results => 0", "22023", "max_results must be between"),
        ("array[%(a)s], candidates => 0", "22023", "candidates must be between"),
        ("array[%(a)s], search_effort => 0", "22023", "search_effort must be between"),
        ("array[%(a)s], strategy => 'sum'", "22023", "strategy must be one of average_vector"),
        ("array[%(a)s], space => 'x'", "42704", "space x does not exist"),
        ("array[%(a)s], metadata_filter => '[]'", "22023", "filter"),
        ("array[%(a)s, %(opposite)s]", "22023", "the examples cancel each other out"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    chunks = fill_documents(sql)
    sql.execute("select retrieval.create_collection('other')")
    (other,) = put(sql, "other", {"document_key": "x", "content": "x"})
    bare, opposite = put(
        sql, "c", *({"document_key": key, "content": key} for key in ("bare", "opposite"))
    )
    embed(sql, "s", [opposite.chunk_id], [[-1, 0]])
    ids = {
        "a": chunks["a"][0],
        "other": other.chunk_id,
        "bare": bare.chunk_id,
        "opposite": opposite.chunk_id,
    }
    error = failure(sql, f"select * from retrieval.recommend('c', {arguments % ids})")
    assert error.sqlstate == sqlstate
    assert message % ids in error.diag.message_primary


# Whole documents


@pytest.mark.parametrize("strategy", ["average_vector", "best_score"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_a_document_is_the_mean_of_its_chunks(
    sql: psycopg.Cursor, metric: str, strategy: str
) -> None:
    sql.execute("select retrieval.create_collection('c')")
    chosen = np.random.default_rng(4)
    counts = {f"{n:02}": int(chosen.integers(1, 9)) for n in range(30)}
    rows = put(
        sql,
        "c",
        *(
            {"document_key": key, "chunks": [{"content": "x"}] * count, "metadata": {"n": int(key)}}
            for key, count in counts.items()
        ),
    )
    vectors = halves(chosen.normal(size=(len(rows), 5)))
    sql.execute("select retrieval.create_space('c', 's', 'm', 5, metric => %s)", [metric])
    embed(sql, "s", [row.chunk_id for row in rows], vectors.tolist())
    sql.execute("select retrieval.build_index('c', 's')")
    sql.execute("select retrieval.activate_space('c', 's')")
    keys = np.array([row.document_key for row in rows])
    means = {key: halves(mean(vectors[keys == key], metric)) for key in counts}
    liked, disliked = ["03", "07"], ["11"]
    expected, _ = reference(
        metric,
        strategy,
        vectors,
        np.array([means[key] for key in liked]),
        np.array([means[key] for key in disliked]),
    )
    best = {key: expected[keys == key].max() for key in counts if key not in liked + disliked}
    for max_results, below in ((3, 30), (100, 30), (5, 12)):
        found = recommend_documents(
            sql,
            liked,
            disliked,
            strategy=strategy,
            max_results=max_results,
            metadata_filter={"n": {"$lt": below}},
        )
        wanted = sorted((s for key, s in best.items() if int(key) < below), reverse=True)
        assert [hit.score for hit in found] == pytest.approx(wanted[:max_results], abs=5e-3)
        assert len({hit.document_key for hit in found}) == len(found)
        for rank, hit in enumerate(found, start=1):
            assert hit.semantic_rank == rank
            assert hit.score == pytest.approx(best[hit.document_key], abs=5e-3)


def test_as_many_documents_as_there_are(sql: psycopg.Cursor) -> None:
    """However many chunks of one document come first."""
    sql.execute("select retrieval.create_collection('c')")
    documents = [("long", 200), ("short", 1), ("example", 1)]
    rows = put(
        sql,
        "c",
        *({"document_key": key, "chunks": [{"content": "x"}] * n} for key, n in documents),
    )
    sql.execute("select retrieval.create_space('c', 's', 'm', 2)")
    directions = {"long": [1, 0.1], "short": [1, 0.9], "example": [1, 0]}
    vectors = [directions[row.document_key] for row in rows]
    embed(sql, "s", [row.chunk_id for row in rows], vectors)
    sql.execute("select retrieval.build_index('c', 's')")
    sql.execute("select retrieval.activate_space('c', 's')")
    found = recommend_documents(sql, ["example"], max_results=2)
    assert [hit.document_key for hit in found] == ["long", "short"]
    first = min(row.chunk_id for row in rows if row.document_key == "long")
    assert found[0].chunk_id == first


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("'{}'", "22023", "there must be a positive example"),
        ("'{a}', '{a}'", "22023", "document a is both a positive and a negative example"),
        ("'{a,z}'", "42704", "document z does not exist in collection c"),
        ("'{a,bare}'", "55000", "document bare has no embedding in space s"),
        ("'{a,null}'", "22004", "an example must not be null"),
        ("'{a}', max_results => null", "22023", "max_results must be between"),
        ("'{a}', strategy => null", "22023", "strategy must be one of"),
    ],
)
def test_unusable_documents(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    fill_documents(sql)
    put(sql, "c", {"document_key": "bare", "content": "x"})
    error = failure(sql, f"select * from retrieval.recommend_documents('c', {arguments})")
    assert error.sqlstate == sqlstate
    assert message in error.diag.message_primary


def test_pgvector_may_be_anywhere(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as session:
        session.execute("create schema elsewhere; create extension vector schema elsewhere")
        engine = open_engine(empty_database_url)
        with engine.begin() as connection:
            upgrade_schema(connection)
        engine.dispose()
        sql = session.cursor(row_factory=namedtuple_row)
        sql.execute("select retrieval.create_collection('c')")
        rows = put(sql, "c", *({"document_key": key, "content": key} for key in "abc"))
        sql.execute("select retrieval.create_space('c', 's', 'm', 2)")
        sql.execute(
            "select retrieval.put_embeddings('c', 's', %s, %s::elsewhere.halfvec[])",
            [[row.chunk_id for row in rows], ["[1,0]", "[2,1]", "[0,1]"]],
        )
        sql.execute("select retrieval.activate_space('c', 's')")
        for strategy in ("average_vector", "best_score"):
            found = recommend(sql, [rows[0].chunk_id], strategy=strategy)
            assert [hit.document_key for hit in found] == ["b", "c"]
            found = recommend_documents(sql, ["a"], ["c"], strategy=strategy)
            assert [hit.document_key for hit in found] == ["b"]
