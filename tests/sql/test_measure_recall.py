"""Recall is what searches with that effort find of what is nearest."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.rows import namedtuple_row
from statements import column, failure, value, vector
from vectors import create_space, embed, halves, put_chunks, scores

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

COUNT, DIMENSIONS = 2000, 32
MEASURE = """select * from retrieval.measure_recall(
                 'c', %(space)s, %(queries)s::halfvec[], %(efforts)s, %(oversamplings)s,
                 %(max_results)s, %(query_chunk_ids)s)"""
SEARCH = """select * from retrieval.semantic_search(
                'c', %s, max_results => %s, space => %s, search_effort => %s)"""


def literal(query: Any) -> Any:
    return vector(query) if isinstance(query, np.ndarray) else query


class Corpus:
    """Random vectors in the collection c with an index of few links, one of signs, and none."""

    def __init__(self, session: psycopg.Connection) -> None:
        self.session = session
        numbers = np.random.default_rng(5)
        self.vectors = halves(numbers.normal(size=(COUNT, DIMENSIONS)))
        self.queries = halves(numbers.normal(size=(25, DIMENSIONS)))
        self.chunks = np.array(put_chunks(session, COUNT))
        for name, arguments in {
            "graph": {"index_options": {"m": 4, "ef_construction": 10}},
            "signs": {"quantization": "bit"},
            "exact": {"index_method": "none"},
        }.items():
            create_space(session, name, DIMENSIONS, **arguments)
            embed(session, name, self.chunks.tolist(), self.vectors.tolist())
            session.execute("select retrieval.build_index('c', %s)", [name])
        session.execute("analyze; set enable_seqscan = off")

    def measure(self, space: str, queries: Iterable[Any] | None, **arguments: Any) -> list[Any]:
        """One row for each effort."""
        given: dict[str, Any] = {
            "space": space,
            "queries": queries if queries is None else [literal(query) for query in queries],
            "efforts": [1, 10, 1000],
            "oversamplings": [1],
            "max_results": 10,
            "query_chunk_ids": None,
        }
        return self.session.execute(MEASURE, given | arguments).fetchall()


@pytest.fixture(scope="module")
def corpus(module_database_url: str) -> Iterator[Corpus]:
    """Random vectors with three indexes."""
    with psycopg.connect(
        module_database_url, row_factory=namedtuple_row, autocommit=True
    ) as session:
        yield Corpus(session)


@pytest.mark.parametrize("with_chunks", [True, False])
@pytest.mark.parametrize("max_results", [1, 10])
def test_as_searches_find(corpus: Corpus, max_results: int, with_chunks: bool) -> None:
    picked = range(0, 1000, 40)
    queries = corpus.vectors[picked] if with_chunks else corpus.queries
    own = corpus.chunks[picked].tolist() if with_chunks else [None] * len(queries)
    rights = 0
    for query, chunk in zip(queries, own, strict=True):
        order = corpus.chunks[np.argsort(-scores("cosine", corpus.vectors, query))].tolist()
        nearest = [each for each in order if each != chunk][:max_results]
        # one more than wanted, since the query itself may be among them
        found = column(corpus.session, SEARCH, [vector(query), max_results + 1, "graph", 10])
        rights += len(set([each for each in found if each != chunk][:max_results]) & set(nearest))
    (row,) = corpus.measure(
        "graph",
        queries,
        efforts=[10],
        max_results=max_results,
        query_chunk_ids=own if with_chunks else None,
    )
    assert row.recall == pytest.approx(rights / max_results / len(queries))
    assert 0 < row.recall < 1


def test_a_query_is_no_result_of_its_own(corpus: Corpus) -> None:
    picked = range(0, 1000, 40)
    queries, chunks = corpus.vectors[picked], corpus.chunks[picked].tolist()
    ((*_, with_itself, _),) = corpus.measure("signs", queries, efforts=[40], max_results=1)
    ((*_, without, _),) = corpus.measure(
        "signs", queries, efforts=[40], max_results=1, query_chunk_ids=chunks
    )
    assert with_itself == 1  # equal signs are the nearest signs
    assert without < 1


def test_recall_rises_with_effort(corpus: Corpus) -> None:
    rows = corpus.measure("graph", corpus.queries)
    assert [(row.search_effort, row.oversampling) for row in rows] == [(1, 1), (10, 1), (1000, 1)]
    recalls = [row.recall for row in rows]
    assert recalls == sorted(recalls)
    assert recalls[0] < recalls[-1] - 0.2
    assert all(row.milliseconds > 0 for row in rows)


def test_recall_rises_with_oversampling(corpus: Corpus) -> None:
    rows = corpus.measure("signs", corpus.queries, efforts=[40, 200], oversamplings=[1, 4, 20])
    pairs = [(row.search_effort, row.oversampling) for row in rows]
    assert pairs == [(40, 1), (200, 1), (40, 4), (200, 4), (40, 20), (200, 20)]
    recalls = [row.recall for row in rows][1::2]
    assert recalls == sorted(recalls)
    assert recalls[0] < recalls[-1] - 0.2


def test_without_an_index_everything_is_right(corpus: Corpus) -> None:
    rows = corpus.measure("exact", corpus.queries, max_results=1000)
    assert [row.recall for row in rows] == [1, 1, 1]


def test_nothing_is_changed(corpus: Corpus) -> None:
    state = """select array_agg(s::text order by name), current_setting('hnsw.ef_search', true)
               from retrieval.spaces s"""
    before = corpus.session.execute(state).fetchall()
    corpus.measure("signs", corpus.queries[:2], oversamplings=[7])
    assert corpus.session.execute(state).fetchall() == before


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "named"),
    [
        ({"queries": []}, "22023", "queries must not be empty"),
        ({"queries": None}, "22023", "queries must not be empty"),
        ({"queries": ["[1,2]"]}, "22023", "embedding 1 has 2 dimensions"),
        ({"queries": [vector([0] * DIMENSIONS)]}, "22023", "embedding 1 is all zeros"),
        ({"queries": [None]}, "22004", "embedding 1 is null"),
        ({"efforts": [0]}, "22023", "search_effort must be between 1 and 1000"),
        ({"efforts": [1001]}, "22023", "search_effort must be between 1 and 1000"),
        ({"efforts": [None]}, "22023", "search_effort must be between 1 and 1000"),
        ({"efforts": None}, "22", "null"),
        ({"oversamplings": [0]}, "22023", "oversamplings must be between 1 and 100"),
        ({"oversamplings": [101]}, "22023", "oversamplings must be between 1 and 100"),
        ({"max_results": 0}, "22023", "max_results must be between 1 and 1000"),
        ({"max_results": 1001}, "22023", "max_results must be between 1 and 1000"),
        ({"space": "x"}, "42704", "space x"),
        ({"space": None}, "55000", "no active space"),
    ],
)
def test_unusable_arguments(
    corpus: Corpus, arguments: dict[str, Any], sqlstate: str, named: str
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        corpus.measure(**{"space": "graph", "queries": corpus.queries[:1]} | arguments)
    assert raised.value.sqlstate.startswith(sqlstate)
    assert named in raised.value.diag.message_primary


def test_another_kind(corpus: Corpus) -> None:
    with corpus.session.transaction(force_rollback=True):
        create_space(corpus.session, "tokens", DIMENSIONS, kind="multivector")
        measure = (
            "select * from retrieval.measure_recall('c', 'tokens', array['[1]'::halfvec], '{1}')"
        )
        assert failure(corpus.session, measure).sqlstate == "22023"


# sample_embeddings, from which such queries are drawn


def test_a_sample_is_the_same_again(corpus: Corpus) -> None:
    sample = "select chunk_id, embedding::real[] from retrieval.sample_embeddings('c', 'graph', %s)"
    drawn = corpus.session.execute(sample, [50]).fetchall()
    assert len({chunk for chunk, _ in drawn}) == 50
    assert sorted(drawn) == sorted(corpus.session.execute(sample, [50]).fetchall())
    assert {chunk for chunk, _ in drawn} != set(corpus.chunks[:50].tolist())
    numbers = [corpus.chunks.tolist().index(chunk) for chunk, _ in drawn]
    np.testing.assert_allclose([row for _, row in drawn], corpus.vectors[numbers], rtol=1e-4)
    assert len(corpus.session.execute(sample, [COUNT * 2]).fetchall()) == COUNT
    assert value(corpus.session, "select count(*) from (" + sample + ") s", [1]) == 1
    assert failure(corpus.session, sample, [0]).sqlstate == "22023"
