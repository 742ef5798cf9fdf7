"""Semantic search: exact without an index, full and near it with one."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, failure, value, vector
from vectors import fill, halves, scores

COUNT, DIMENSIONS = 3000, 16
SEARCH = "select * from retrieval.semantic_search('c', %s, %s, %s)"
LITTLE_EFFORT = SEARCH.replace("%s)", "%s, search_effort => 20)")


# Exactly


def test_ties_go_by_chunk_id(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.ones((30, 2)), index_method="none")
    for count in (1, 10, 30, 100):
        found = sql.execute(SEARCH, ["[1,1]", None, count]).fetchall()
        assert [hit.chunk_id for hit in found] == chunks[:count]


def test_a_hit_says_where_it_is_from(sql: psycopg.Cursor) -> None:
    fill(sql, np.eye(3))
    hit = sql.execute(SEARCH, ["[0,1,0]", None, 1]).fetchone()
    assert (hit.document_key, hit.title, hit.position, hit.content, hit.metadata, hit.score) == (
        "00001",
        None,
        0,
        "x",
        {"n": 1},
        1,
    )


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
        self.chunks = np.array(fill(session, self.vectors))
        session.execute("analyze")
        # some thousand short vectors are compared faster than a graph is walked
        session.execute("set enable_seqscan = off")

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
        "hnsw.iterative_scan = off",
        "work_mem = '64kB'",
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
    """How the statement is run that walks the index."""
    sql = corpus.session
    sql.execute(
        """create or replace function pg_temp.plan(statement text, query halfvec) returns setof text
           language plpgsql as $$
           begin return query execute 'explain ' || statement using query; end $$"""
    )
    statement = value(
        sql,
        """select retrieval._index_scan_statement(s, retrieval._filter_condition(c, %s), 40, 10)
           from retrieval.spaces s join retrieval.collections c using (collection_id)""",
        [None if metadata_filter is None else Jsonb(metadata_filter)],
    )
    return "\n".join(
        column(sql, "select pg_temp.plan(%s, %s)", [statement, vector(corpus.queries[0])])
    )


@pytest.mark.parametrize("metadata_filter", [None, {"n": {"$gte": 0}}, {"n": {"$lt": 2000}}])
@pytest.mark.parametrize("plan_cache_mode", ["auto", "force_generic_plan"])
def test_the_vector_index_is_used(
    corpus: Corpus, metadata_filter: dict | None, plan_cache_mode: str
) -> None:
    with corpus.session.transaction(force_rollback=True):
        corpus.session.execute(f"set local plan_cache_mode = {plan_cache_mode}")
        for _ in range(20):
            assert "Index Scan using embeddings_1_index" in plan(corpus, metadata_filter)


def scans(corpus: Corpus, metadata_filter: dict | None, **settings: str) -> dict[str, int]:
    """How often each relation is scanned by twenty searches."""
    sql = corpus.session
    counted = "select pg_stat_get_xact_numscans(%s::regclass)"
    names = ["embeddings_1_index", "embeddings_1", "chunks_1_metadata_idx"]
    condition = metadata_filter and Jsonb(metadata_filter)
    with sql.transaction(force_rollback=True):
        for name, setting in settings.items():
            sql.execute(f"set local {name} = {setting}")
        before = {name: value(sql, counted, [f"retrieval.{name}"]) for name in names}
        for query in corpus.queries[:20]:
            rows = sql.execute(LITTLE_EFFORT, [vector(query), condition, 10], prepare=True)
            assert len(rows.fetchall()) == (1 if metadata_filter == {"n": 17} else 10)
        return {name: value(sql, counted, [f"retrieval.{name}"]) - before[name] for name in names}


@pytest.mark.parametrize("metadata_filter", [None, {"n": {"$lt": 2000}}])
@pytest.mark.parametrize("plan_cache_mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("enable_seqscan", ["on", "off"])
def test_the_function_itself_walks_the_index(
    corpus: Corpus, metadata_filter: dict | None, plan_cache_mode: str, enable_seqscan: str
) -> None:
    settings = {"plan_cache_mode": plan_cache_mode, "enable_seqscan": enable_seqscan}
    found = scans(corpus, metadata_filter, **settings)
    assert (found["embeddings_1_index"], found["embeddings_1"]) == (20, 0)


@pytest.mark.parametrize("metadata_filter", [{"n": 17}, {"n": {"$lt": 30}}])
def test_few_that_match_are_compared_one_by_one(corpus: Corpus, metadata_filter: dict) -> None:
    found = scans(corpus, metadata_filter)
    assert found["embeddings_1_index"] == 0
    if metadata_filter == {"n": 17}:
        assert found["chunks_1_metadata_idx"] == 20
