"""Documents are ranked by what their chunks score, however many chunks one of them has."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hybrid import LEGS, arguments, create, expected, queries, search
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from statements import failure, put
from vectors import create_space, embed

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

AGGREGATIONS = ["max", "sum", "mean_of_best"]


@pytest.fixture(scope="module")
def session(module_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a database with the collection c."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as opened:
        create(opened)
        yield opened


def aggregated(aggregation: str, scores: list[float]) -> float:
    """What a document scores by its chunks, best first."""
    if aggregation == "max":
        return scores[0]
    return sum(sorted(scores)) if aggregation == "sum" else sum(scores[:3]) / 3


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    legs=st.sets(st.sampled_from(list(LEGS)), min_size=1, max_size=4),
    fusion=st.sampled_from(["rrf", "relative", "dbsf"]),
    aggregation=st.sampled_from(AGGREGATIONS),
    max_results=st.sampled_from([1, 5, 100]),
    below=st.sampled_from([None, 15]),
)
@pytest.mark.newest
def test_random_searches(
    session: psycopg.Connection,
    seed: int,
    legs: set[str],
    fusion: str,
    aggregation: str,
    max_results: int,
    below: int | None,
) -> None:
    asked = queries(seed, *legs)
    options: dict[str, Any] = {"fusion": fusion, "candidates": 200}
    if below is not None:
        options["metadata_filter"] = {"n": {"$lt": below}}
    documents = dict(
        session.execute("select chunk_id, document_id from retrieval.chunks").fetchall()
    )
    chunks: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for id_, score, _ in expected(session, asked, **options):
        chunks[documents[id_]].append((id_, score))
    scores = {d: aggregated(aggregation, [s for _, s in own]) for d, own in chunks.items()}
    best = sorted(scores, key=lambda d: (-scores[d], d))[:max_results]
    found = search(
        session,
        "document_search",
        **arguments(asked),
        **options,
        aggregation=aggregation,
        max_results=max_results,
    )
    assert [row.document_id for row in found] == best
    for row in found:
        assert row.score == pytest.approx(scores[row.document_id], rel=1e-9)
        assert row.chunk_ids == [id_ for id_, _ in chunks[row.document_id]]
        assert row.chunk_id == row.chunk_ids[0]


def test_a_document_says_what_it_is(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    document = {
        "document_key": "a",
        "title": "Ants",
        "metadata": {"n": 1},
        "chunks": [{"content": "a bee"}, {"content": "an ant and ants"}],
    }
    rows = put(sql, "c", document)
    (found,) = search(sql, "document_search", query_text="ant", aggregation="sum")
    assert found._fields == (
        *("document_id", "document_key", "title", "metadata", "score"),
        *("chunk_id", "position", "content", "chunk_ids"),
    )
    assert found[1:4] == ("a", "Ants", {"n": 1})
    assert found[5:] == (
        *(rows[1].chunk_id, 1, "an ant and ants"),
        [rows[1].chunk_id, rows[0].chunk_id],  # its title has the word as well
    )
    assert found.score == 1


def uneven(sql: psycopg.Cursor, long: int, others: int) -> list[str]:
    """The collection c: a document of many chunks that come first, then others of one chunk."""
    sql.execute("select retrieval.create_collection('c')")
    keys = [f"{n:02}" for n in range(others + 1)]
    rows = put(
        sql,
        "c",
        {"document_key": keys[0], "chunks": [{"content": f"ant ant {n}"} for n in range(long)]},
        *({"document_key": key, "content": f"ant{' bee' * int(key)}"} for key in keys[1:]),
    )
    create_space(sql, "s", 2)
    vectors = [[1, int(row.document_key)] for row in rows]
    embed(sql, "s", [row.chunk_id for row in rows], vectors)
    sql.execute("select retrieval.activate_space('c', 's')")
    return keys


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_one_document_holds_most_of_the_candidates(sql: psycopg.Cursor, aggregation: str) -> None:
    keys = uneven(sql, 300, 20)
    for query in (
        {"query_text": "ant"},
        {"query_embedding": "[1,0]"},
        {"query_embeddings": {"s": [1, 0]}},
    ):
        for candidates, count in ((1, 5), (10, 30), (100, 5)):
            found = search(
                sql,
                "document_search",
                **query,
                aggregation=aggregation,
                candidates=candidates,
                max_results=count,
            )
            assert [row.document_key for row in found] == keys[:count]


def test_ties_go_by_document_id(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    for key in "dacb":
        put(sql, "c", {"document_key": key, "content": "ant"})
    for aggregation in AGGREGATIONS:
        found = search(sql, "document_search", query_text="ant", aggregation=aggregation)
        assert [row.document_key for row in found] == list("dacb")
        assert len({row.score for row in found}) == 1


def test_aggregations_differ(sql: psycopg.Cursor) -> None:
    """One chunk that is best, three that are good, many that are fair."""
    sql.execute("select retrieval.create_collection('c')")
    own = {"best": [1.0], "fair": [0.35] * 8, "good": [0.6, 0.6, 0.5], "last": [0.0]}
    rows = put(
        sql,
        "c",
        *(
            {"document_key": key, "chunks": [{"content": "x"}] * len(scores)}
            for key, scores in own.items()
        ),
    )
    create_space(sql, "s", 1, metric="inner_product", index_method="none")
    vectors = [[score] for scores in own.values() for score in scores]
    embed(sql, "s", [row.chunk_id for row in rows], vectors)
    sql.execute("select retrieval.activate_space('c', 's')")
    for aggregation, first in (("max", "best"), ("mean_of_best", "good"), ("sum", "fair")):
        found = search(sql, "document_search", query_embedding="[1]", aggregation=aggregation)
        assert found[0].document_key == first
        assert [row.document_key for row in found][-1] == "last"
        for row in found:
            score = 0.7 * aggregated(aggregation, own[row.document_key])
            assert row.score == pytest.approx(score, abs=1e-3)


def test_nothing_found(session: psycopg.Connection) -> None:
    for text in ("", "zebra", "the"):
        assert search(session, "document_search", query_text=text) == []


@pytest.mark.parametrize("aggregation", ["'mean'", "''", "null"])
def test_unusable_aggregations(session: psycopg.Connection, aggregation: str) -> None:
    error = failure(
        session,
        f"select * from retrieval.document_search('c', 'ant', aggregation => {aggregation})",
    )
    assert error.sqlstate == "22023"
    message = f"aggregation must be one of max, sum, mean_of_best, not {aggregation}"
    assert error.diag.message_primary == message
