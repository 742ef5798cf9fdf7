"""Late interaction is what numpy makes of the vectors as pgvector stores them."""

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statements import column, failure, value, vector
from vectors import create_space, halves, put_chunks

from retrieval.database import open_engine, upgrade_schema

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

MAX_SIM = "select retrieval.max_sim(%s::halfvec[], %s::halfvec[])"
BY_METRIC = "select retrieval.max_sim(%s::halfvec[], %s::halfvec[], metric => %s)"


def literals(tokens: np.ndarray) -> list[str]:
    return [vector(token) for token in tokens.tolist()]


def reference(query: np.ndarray, document: np.ndarray) -> float:
    return float((halves(query) @ halves(document).T).max(axis=1).sum())


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    tokens=st.tuples(st.integers(1, 12), st.integers(1, 30)),
    dimensions=st.sampled_from([1, 2, 7, 16, 128]),
    length=st.sampled_from([0.01, 1, 30]),
)
def test_random_tokens(
    sql: psycopg.Cursor, seed: int, tokens: tuple[int, int], dimensions: int, length: float
) -> None:
    chosen = np.random.default_rng(seed)
    query, document = (chosen.normal(size=(n, dimensions)) * length for n in tokens)
    found = value(sql, MAX_SIM, [literals(query), literals(document)])
    scale = length * length * dimensions * len(query)
    assert found == pytest.approx(reference(query, document), rel=1e-5, abs=1e-5 * scale)


@pytest.mark.parametrize("seed", range(5))
def test_random_tokens_by_metric(sql: psycopg.Cursor, seed: int) -> None:
    """A token's length counts under inner_product alone."""
    chosen = np.random.default_rng(seed)
    query, document = (halves(chosen.normal(size=(n, 6)) * chosen.uniform(0.1, 9)) for n in (3, 5))
    given_ = [literals(query), literals(document)]
    of_length_1 = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (query, document))
    left, right = of_length_1
    cosine = float((left @ right.T).max(axis=1).sum())
    assert value(sql, BY_METRIC, [*given_, "cosine"]) == pytest.approx(cosine, rel=1e-5, abs=1e-5)
    assert value(sql, BY_METRIC, [*given_, "inner_product"]) == value(sql, MAX_SIM, given_)


@pytest.mark.parametrize(
    ("query", "document", "score"),
    [
        ('{"[0,0]"}', '{"[1,0]"}', 0),
        ('{"[1,0]","[0,0]"}', '{"[1,0]"}', 1),
        ('{"[1,0]"}', '{"[0,0]"}', 0),
        ('{"[1,0]"}', '{"[-1,0]","[0,0]"}', -1),
    ],
)
def test_tokens_of_zeros(sql: psycopg.Cursor, query: str, document: str, score: int) -> None:
    """They have no cosine; not a number would be better than every score."""
    assert value(sql, BY_METRIC, [query, document, "cosine"]) == score


def test_candidates_are_reranked(sql: psycopg.Cursor) -> None:
    chunks = put_chunks(sql, 20)
    space = create_space(sql, "tokens", 8, kind="multivector")
    chosen = np.random.default_rng(3)
    query = chosen.normal(size=(4, 8))
    documents = [chosen.normal(size=(chosen.integers(1, 9), 8)) for _ in chunks]
    sql.execute(
        "select retrieval.put_token_embeddings('c', 'tokens', %s, %s, %s::halfvec[])",
        [chunks, list(map(len, documents)), literals(np.concatenate(documents))],
    )
    found = column(
        sql,
        """select t.chunk_id from retrieval.token_embeddings t where t.space_id = %s
           order by retrieval.max_sim(%s::halfvec[], t.embeddings) desc, t.chunk_id""",
        [space, literals(query)],
    )
    scores = [reference(query, document) for document in documents]
    assert found == [chunks[n] for n in np.argsort(scores)[::-1]]


@pytest.mark.parametrize(
    ("query", "document"),
    [("{}", '{"[1,2]"}'), ('{"[1,2]"}', "{}"), ("{}", "{}"), (None, '{"[1]"}'), ('{"[1]"}', None)],
)
def test_nothing_to_compare(sql: psycopg.Cursor, query: str | None, document: str | None) -> None:
    assert value(sql, MAX_SIM, [query, document]) is None
    assert value(sql, BY_METRIC, [query, document, "cosine"]) is None


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ('{"[1,2]"}', '{"[1]"}'),
        ('{"[1,2]","[1]"}', '{"[1,2]"}'),
        ('{"[1,2]"}', '{"[1,2]","[1,2,3]"}'),
        ('{"[1,2]"}', '{"[1,2]",null}'),
        ('{null,"[1,2]"}', '{"[1,2]"}'),
    ],
)
def test_what_cannot_be_compared(sql: psycopg.Cursor, query: str, document: str) -> None:
    for metric in ("inner_product", "cosine"):
        error = failure(sql, BY_METRIC, [query, document, metric])
        assert error.sqlstate == "22023"
        assert "same dimensions" in error.diag.message_primary


@pytest.mark.parametrize("metric", ["l2", "", "COSINE"])
def test_unknown_metrics(sql: psycopg.Cursor, metric: str) -> None:
    error = failure(sql, BY_METRIC, ['{"[1,2]"}', '{"[1,2]"}', metric])
    assert error.sqlstate == "22023"
    message = f"metric must be one of cosine, inner_product, not '{metric}'"
    assert error.diag.message_primary == message


def test_pgvector_may_be_anywhere(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as session:
        session.execute("create schema elsewhere; create extension vector schema elsewhere")
        engine = open_engine(empty_database_url)
        with engine.begin() as connection:
            upgrade_schema(connection)
        engine.dispose()
        assert value(session, "select retrieval.max_sim('{\"[1,2]\"}', '{\"[3,4]\"}')") == 11
        by_cosine = "select retrieval.max_sim('{\"[1,2]\"}', '{\"[2,4]\"}', 'cosine')"
        assert value(session, by_cosine) == pytest.approx(1)
