"""Semantic search: exact without an index, full and near it with one."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, failure, put, value, vector

COUNT, DIMENSIONS = 3000, 16
SEARCH = "select * from retrieval.semantic_search('c', %s, %s, %s)"


def halves(vectors: np.ndarray) -> np.ndarray:
    """As pgvector stores them."""
    return vectors.astype(np.float16).astype(np.float64)


def scores(metric: str, vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    match metric:
        case "cosine":
            return vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
        case "inner_product":
            return vectors @ query
        case "l2":
            return -np.linalg.norm(vectors - query, axis=1)
    return -np.abs(vectors - query).sum(axis=1)


# Exactly


def fill(
    sql: psycopg.Cursor, vectors: np.ndarray, metric: str = "cosine", index_method: str = "none"
) -> list[int]:
    """The collection c, one chunk per vector."""
    sql.execute("select retrieval.create_collection('c')")
    rows = put(
        sql,
        "c",
        *(
            {"document_key": f"{n:04}", "content": "x", "metadata": {"n": n}}
            for n in range(len(vectors))
        ),
    )
    chunks = [row.chunk_id for row in rows]
    sql.execute(
        "select retrieval.create_space('c', 's', 'm', %s, metric => %s, index_method => %s)",
        [vectors.shape[1], metric, index_method],
    )
    sql.execute(
        "select retrieval.put_embeddings('c', 's', %s, %s::halfvec[])",
        [chunks, [vector(row) for row in vectors]],
    )
    sql.execute("select retrieval.build_index('c', 's')")
    sql.execute("select retrieval.activate_space('c', 's')")
    return chunks


@pytest.mark.parametrize("index_method", ["none", "hnsw"])
@pytest.mark.parametrize("metric", ["cosine", "inner_product", "l2", "l1"])
def test_as_numpy_says(sql: psycopg.Cursor, metric: str, index_method: str) -> None:
    numbers = np.random.default_rng(3)
    vectors = halves(numbers.normal(size=(200, 8)))
    chunks = fill(sql, vectors, metric, index_method)
    for query in halves(numbers.normal(size=(5, 8))):
        expected = scores(metric, vectors, query)
        order = np.argsort(-expected, kind="stable")
        found = sql.execute(SEARCH, [vector(query), None, 200]).fetchall()
        assert [hit.chunk_id for hit in found] == [chunks[index] for index in order]
        assert [hit.score for hit in found] == pytest.approx(expected[order].tolist(), abs=1e-5)
        assert [hit.semantic_rank for hit in found] == list(range(1, 201))
        assert [hit.semantic_score for hit in found] == [hit.score for hit in found]
        best = sql.execute(SEARCH, [vector(query), Jsonb({"n": {"$lt": 50}}), 7]).fetchall()
        assert [hit.chunk_id for hit in best] == [chunks[index] for index in order if index < 50][
            :7
        ]


def test_ties_go_by_chunk_id(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.ones((30, 2)))
    for count in (1, 10, 30, 100):
        found = sql.execute(SEARCH, ["[1,1]", None, count]).fetchall()
        assert [hit.chunk_id for hit in found] == chunks[:count]


def test_a_hit_says_where_it_is_from(sql: psycopg.Cursor) -> None:
    fill(sql, np.eye(3))
    hit = sql.execute(SEARCH, ["[0,1,0]", None, 1]).fetchone()
    assert (hit.document_key, hit.title, hit.position, hit.content, hit.metadata, hit.score) == (
        "0001",
        None,
        0,
        "x",
        {"n": 1},
        1,
    )


def test_an_empty_space(sql: psycopg.Cursor) -> None:
    fill(sql, np.eye(2)[:0], index_method="hnsw")
    assert column(sql, SEARCH, ["[1,0]", None, 10]) == []


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "named"),
    [
        ("'c', '[1]'", "22023", "1 dimensions"),
        ("'c', '[1,0,0]'", "22023", "3 dimensions"),
        ("'c', '[0,0]'", "22023", "zeros"),
        ("'c', null", "22004", "null"),
        ("'c', '[NaN,1]'", "22", "NaN"),
        ("'c', '[Infinity,1]'", "22", "nfinit"),
        ("'c', '[1,0]', max_results => 0", "22023", "max_results"),
        ("'c', '[1,0]', max_results => 10001", "22023", "max_results"),
        ("'c', '[1,0]', max_results => null", "22023", "max_results"),
        ("'c', '[1,0]', '[]'", "22023", "filter"),
        ("'c', '[1,0]', space => 'x'", "42704", "space x"),
        ("'x', '[1,0]'", "42704", "collection x"),
        ("'c', '[1,0]', signature => '{\"a\": 1}'", "22023", "another model"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, sqlstate: str, named: str) -> None:
    fill(sql, np.eye(2))
    error = failure(sql, f"select * from retrieval.semantic_search({arguments})")
    assert error.sqlstate.startswith(sqlstate)
    assert named in str(error).splitlines()[0]


def test_no_active_space(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    assert failure(sql, SEARCH, ["[1,0]", None, 10]).sqlstate == "55000"


# With an index


class Corpus:
    """Some thousand chunks in a database of their own: the collection c with a vector index."""

    def __init__(self, session: psycopg.Connection) -> None:
        self.session = session
        numbers = np.random.default_rng(5)
        self.vectors = halves(numbers.normal(size=(COUNT, DIMENSIONS)))
        self.queries = halves(numbers.normal(size=(30, DIMENSIONS)))
        self.chunks = np.array(fill(session.cursor(), self.vectors, index_method="hnsw"))
        session.execute("analyze")

    def exact(self, query: np.ndarray, count: int, kept: np.ndarray | None = None) -> list[int]:
        order = np.argsort(-scores("cosine", self.vectors, query), kind="stable")
        order = order if kept is None else order[np.isin(order, kept)]
        return self.chunks[order[:count]].tolist()


@pytest.fixture(scope="module")
def corpus(module_database_url: str) -> Iterator[Corpus]:
    """Some thousand chunks with a vector index."""
    with psycopg.connect(
        module_database_url, row_factory=namedtuple_row, autocommit=True
    ) as session:
        yield Corpus(session)


@pytest.mark.parametrize("count", [1, 10, 100])
def test_recall(corpus: Corpus, count: int) -> None:
    found = sum(
        len(
            set(column(corpus.session, SEARCH, [vector(query), None, count]))
            & set(corpus.exact(query, count))
        )
        for query in corpus.queries
    )
    assert found >= 0.95 * count * len(corpus.queries)


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize(
    ("below", "count"),
    [(3000, 10), (1500, 10), (300, 10), (30, 10), (30, 30), (3, 3), (1500, 1000), (0, 0)],
)
def test_as_many_as_match_at_every_call(
    corpus: Corpus, below: int, count: int, prepare: bool
) -> None:
    metadata_filter = Jsonb({"n": {"$lt": below}})
    found = 0
    for query in corpus.queries:
        rows = corpus.session.execute(
            SEARCH, [vector(query), metadata_filter, max(count, 1)], prepare=prepare
        ).fetchall()
        assert len({row.chunk_id for row in rows}) == count
        assert all(row.metadata["n"] < below for row in rows)
        assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)
        expected = corpus.exact(query, count, np.arange(below))
        found += len({row.chunk_id for row in rows} & set(expected))
    assert found >= 0.9 * count * len(corpus.queries)


def test_as_many_as_match_within_a_function(corpus: Corpus) -> None:
    sql = corpus.session
    sql.execute(
        """create or replace function pg_temp.counts(queries halfvec[]) returns setof bigint
           language plpgsql as $$
           declare query halfvec;
           begin
               foreach query in array queries loop
                   return query select count(*)
                       from retrieval.semantic_search('c', query, '{"n": {"$lt": 30}}', 20);
               end loop;
           end $$"""
    )
    queries = [vector(query) for query in corpus.queries]
    assert column(sql, "select pg_temp.counts(%s::halfvec[])", [queries]) == [20] * 30


def test_a_filter_that_disagrees_with_the_query(corpus: Corpus) -> None:
    query = corpus.queries[0]
    farthest = np.argsort(scores("cosine", corpus.vectors, query))[:60]
    metadata_filter = Jsonb({"n": {"$in": farthest.tolist()}})
    rows = corpus.session.execute(SEARCH, [vector(query), metadata_filter, 60]).fetchall()
    assert {row.chunk_id for row in rows} == set(corpus.chunks[farthest].tolist())


def test_everything_can_be_asked_for(corpus: Corpus) -> None:
    rows = column(corpus.session, SEARCH, [vector(corpus.queries[0]), None, COUNT])
    assert sorted(rows) == sorted(corpus.chunks.tolist())


@pytest.mark.parametrize(
    "setting",
    [
        "enable_indexscan = off",
        "hnsw.ef_search = 1",
        "plan_cache_mode = force_generic_plan",
        "hnsw.max_scan_tuples = 1",
    ],
)
def test_the_sessions_settings_change_nothing(corpus: Corpus, setting: str) -> None:
    with corpus.session.transaction(force_rollback=True):
        corpus.session.execute(f"set local {setting}")
        name = setting.split()[0]
        before = value(corpus.session, f"show {name}")
        for query in corpus.queries[:12]:
            assert (
                len(column(corpus.session, SEARCH, [vector(query), Jsonb({"n": {"$lt": 30}}), 30]))
                == 30
            )
        assert value(corpus.session, f"show {name}") == before


# Plans


def plan(corpus: Corpus, metadata_filter: dict | None) -> str:
    """How the statement is run that finds the nearest."""
    sql = corpus.session
    sql.execute(
        """create or replace function pg_temp.plan(statement text, query halfvec) returns setof text
           language plpgsql as $$
           begin return query execute 'explain ' || statement using query, 10; end $$"""
    )
    statement = value(
        sql,
        "select retrieval._semantic_statement(s, retrieval.compile_filter(%s), false)"
        " from retrieval.spaces s",
        [None if metadata_filter is None else Jsonb(metadata_filter)],
    )
    with sql.transaction():
        sql.execute("set local hnsw.iterative_scan = strict_order")
        return "\n".join(
            column(sql, "select pg_temp.plan(%s, %s)", [statement, vector(corpus.queries[0])])
        )


@pytest.mark.parametrize("metadata_filter", [None, {"n": {"$gte": 0}}, {"n": {"$lt": 2000}}])
def test_the_vector_index_is_used(corpus: Corpus, metadata_filter: dict | None) -> None:
    for _ in range(20):
        assert "Index Scan using embeddings_1_index" in plan(corpus, metadata_filter)


def test_the_metadata_index_is_used_where_few_match(corpus: Corpus) -> None:
    found = plan(corpus, {"n": 17})
    assert "chunks_1_metadata_idx" in found
    assert "embeddings_1_index" not in found


@pytest.mark.parametrize("metadata_filter", [None, {"n": {"$lt": 2000}}])
def test_the_function_itself_walks_the_index(corpus: Corpus, metadata_filter: dict | None) -> None:
    sql = corpus.session
    scans = "select pg_stat_get_xact_numscans(%s::regclass)"
    index, table = ["retrieval.embeddings_1_index"], ["retrieval.embeddings_1"]
    with sql.transaction():
        before = value(sql, scans, index), value(sql, scans, table)
        for query in corpus.queries[:20]:
            condition = metadata_filter and Jsonb(metadata_filter)
            sql.execute(SEARCH, [vector(query), condition, 10], prepare=True)
        assert (value(sql, scans, index), value(sql, scans, table)) == (before[0] + 20, before[1])
