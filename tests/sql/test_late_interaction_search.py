"""Late-interaction search is exact: the order that numpy gives the same tokens."""

import numpy as np
import psycopg
import pytest
from hybrid import search, tokens
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import failure, put
from vectors import create_space, embed, halves, put_chunks

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

SEARCH = "select * from retrieval.late_interaction_search('c', %s, %s, %s)"


def max_sim(query: np.ndarray, document: np.ndarray, metric: str) -> float:
    """The sum over the query's tokens of the largest similarity."""
    if metric == "cosine":
        query, document = (
            vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            for vectors in (query, document)
        )
    return float((query @ document.T).max(axis=1).sum())


def fill(sql: psycopg.Cursor, documents: list[np.ndarray], metric: str = "cosine") -> list[int]:
    """The collection c, with the tokens of each chunk in the active space tokens."""
    chunks = put_chunks(sql, len(documents))
    create_space(sql, "tokens", documents[0].shape[1], kind="multivector", metric=metric)
    sql.execute(
        "select retrieval.put_token_embeddings('c', 'tokens', %s, %s, %s)",
        [chunks, list(map(len, documents)), tokens(np.concatenate(documents).tolist())],
    )
    sql.execute("select retrieval.activate_space('c', 'tokens')")
    return chunks


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(["cosine", "inner_product"]),
    asked=st.integers(1, 6),
    max_results=st.sampled_from([1, 10, 100]),
    below=st.sampled_from([None, 0, 3, 25]),
)
def test_random_tokens(
    sql: psycopg.Cursor, seed: int, metric: str, asked: int, max_results: int, below: int | None
) -> None:
    with sql.connection.transaction(force_rollback=True):
        numbers = np.random.default_rng(seed)
        documents = [
            halves(numbers.normal(size=(numbers.integers(1, 7), 5)) * numbers.integers(1, 9))
            for _ in range(30)
        ]
        query = halves(numbers.normal(size=(asked, 5)))
        chunks = fill(sql, documents, metric)
        condition = None if below is None else Jsonb({"n": {"$lt": below}})
        found = sql.execute(SEARCH, [tokens(query.tolist()), condition, max_results]).fetchall()
        scores = np.array([max_sim(query, document, metric) for document in documents])
        left = range(30 if below is None else below)
        best = sorted(left, key=lambda n: -scores[n])[:max_results]
        assert [hit.chunk_id for hit in found] == [chunks[n] for n in best]
        assert [hit.score for hit in found] == pytest.approx(scores[best], rel=1e-4, abs=1e-4)
        assert [hit.late_interaction_rank for hit in found] == list(range(1, len(best) + 1))
        assert all(hit.late_interaction_score == hit.score for hit in found)


def test_ties_go_by_chunk_id(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, [np.ones((1 + n % 3, 2)) for n in range(20)])
    # the first ones are the last ones of the table
    moved = "update retrieval.token_embeddings set chunk_id = chunk_id where chunk_id <= %s"
    sql.execute(moved, [chunks[9]])
    for count in (1, 10, 20, 30):
        found = search(
            sql, "late_interaction_search", query_tokens='{"[1,0]","[0,1]"}', max_results=count
        )
        assert [hit.chunk_id for hit in found] == chunks[:count]


def test_a_hit_says_where_it_is_from(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    document = {
        "document_key": "a",
        "title": "t",
        "metadata": {"n": 5},
        "chunks": [{"content": "x"}, {"content": "y"}],
    }
    rows = put(sql, "c", document)
    create_space(sql, "tokens", 2, kind="multivector")
    embed(sql, "tokens", [row.chunk_id for row in rows], [[1, 0], [0, 1]], "multivector")
    sql.execute("select retrieval.activate_space('c', 'tokens')")
    hit = search(sql, "late_interaction_search", query_tokens='{"[0,2]"}')[0]
    assert (hit.chunk_id, hit.document_id) == (rows[1].chunk_id, rows[1].document_id)
    assert hit[2:] == ("a", "t", 1, "y", {"n": 5}, 1, 1, 1)


def test_what_has_no_tokens_is_not_found(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, [np.ones((1, 2)) for _ in range(4)])
    sql.execute("delete from retrieval.token_embeddings where chunk_id = %s", [chunks[1]])
    put(sql, "c", {"document_key": "new", "content": "x"})
    found = search(sql, "late_interaction_search", query_tokens='{"[1,0]"}')
    assert [hit.chunk_id for hit in found] == [chunks[0], *chunks[2:]]


def test_the_space_that_is_named(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, [np.array([[1.0, 0]]), np.array([[0, 1.0]])])
    create_space(sql, "other", 2, kind="multivector", metric="inner_product")
    embed(sql, "other", chunks, [[0, 3], [1, 0]], "multivector")
    for options, best, score in (
        ({}, 0, 1),
        ({"space": "tokens"}, 0, 1),
        ({"space": "other"}, 1, 2),
    ):
        found = search(sql, "late_interaction_search", query_tokens='{"[2,0]"}', **options)
        assert (found[0].chunk_id, found[0].score) == (chunks[best], score)


def test_other_collections_are_elsewhere(sql: psycopg.Cursor) -> None:
    fill(sql, [np.ones((1, 2))])
    sql.execute("select retrieval.create_collection('other')")
    statement = "select retrieval.create_space('other', 'tokens', 'm', 2, 'multivector')"
    sql.execute(statement)
    sql.execute("select retrieval.activate_space('other', 'tokens')")
    search_ = "select * from retrieval.late_interaction_search('other', '{\"[1,0]\"}')"
    assert sql.execute(search_).fetchall() == []


@pytest.mark.parametrize("setting", ["search_path = ''", "debug_parallel_query = on"])
def test_the_sessions_settings_change_nothing(sql: psycopg.Cursor, setting: str) -> None:
    chunks = fill(sql, [np.array([[1.0, n]]) for n in range(5)])
    sql.execute(f"set local {setting}")
    found = search(sql, "late_interaction_search", query_tokens='{"[1,0]"}')
    assert [hit.chunk_id for hit in found] == chunks


def test_unusable_arguments(sql: psycopg.Cursor) -> None:
    fill(sql, [np.ones((1, 2))])
    create_space(sql, "s", 2)
    sql.execute("select retrieval.create_collection('bare')")
    for arguments, sqlstate, message in (
        ("'x', '{\"[1,0]\"}'", "42704", "collection x does not exist"),
        ("'c', '{}'", "22023", "query_tokens must hold a vector"),
        ("'c', null", "22023", "query_tokens must hold a vector"),
        ("'c', '{null}'", "22023", "query_tokens must be vectors of 2 dimensions"),
        ("'c', '{\"[1]\"}'", "22023", "query_tokens must be vectors of 2 dimensions, as space"),
        ("'c', '{\"[1,0]\",\"[1]\"}'", "22023", "query_tokens must be vectors of 2 dimensions"),
        ("'c', '{\"[0,0]\"}'", "22023", "space tokens has, and not all zeros"),
        ("'c', '{{\"[1,0]\"},{\"[1,0]\"}}'", "22023", "query_tokens must be vectors of 2"),
        ("'c', '{\"[1,0]\"}', max_results => 0", "22023", "max_results must be between 1 and"),
        ("'c', '{\"[1,0]\"}', max_results => null", "22023", "max_results must be between"),
        ("'c', '{\"[1,0]\"}', metadata_filter => '[]'", "22023", "filter"),
        ("'c', '{\"[1,0]\"}', space => 'x'", "42704", "space x does not exist"),
        ("'c', '{\"[1,0]\"}', space => 's'", "22023", "space s is dense, not multivector"),
        ("'c', '{\"[1,0]\"}', signature => '{\"a\": 1}'", "22023", "made by another model"),
        ("'c', '{\"[1,0]\"}', signature => '5'", "22023", "signature must be an object"),
        ("'bare', '{\"[1,0]\"}'", "55000", "collection bare has no active multivector space"),
    ):
        error = failure(sql, f"select * from retrieval.late_interaction_search({arguments})")
        assert error.sqlstate == sqlstate
        assert message in error.diag.message_primary
