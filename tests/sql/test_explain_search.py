"""An explanation is of the search that was run: the numbers add up, the plans are what was done."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hybrid import LEGS, arguments, create, queries, search
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import put, value, vector
from vectors import create_space, embed, fill, halves, sparse

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

COUNT, DIMENSIONS = 3000, 8


def explain(session: psycopg.Cursor | psycopg.Connection, **options: Any) -> dict[str, Any]:
    ((explanation,),) = search(session, "explain_search", **options)
    assert isinstance(explanation, dict)
    return explanation


# What it says of hits and legs


@pytest.fixture(scope="module")
def session(module_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a database with the collection c."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as opened:
        create(opened)
        yield opened


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fusion": "rrf", "rrf_k": 10},
        {"fusion": "dbsf", "late_interaction": "collection"},
        {"weights": {"keyword": 0, "flat": 3}, "candidates": 20},
        {"mmr_lambda": 0.5, "duplicate_similarity": 0.9, "per_document": 1},
        {"result_offset": 15, "max_results": 5},
        {"metadata_filter": {"n": {"$lt": 5}}, "leg_candidates": {"sparse": 3}},
    ],
)
def test_the_arithmetic_is_that_of_the_hits(
    session: psycopg.Connection, options: dict[str, Any]
) -> None:
    asked = arguments(queries(30, *LEGS)) | options
    explained = explain(session, **asked)
    found = search(session, "hybrid_search", **asked)
    assert len(explained["hits"]) == len(found) > 0
    legs = {leg["leg"]: leg for leg in explained["legs"]}
    offset = options.get("result_offset", 0)
    for rank, (hit, row) in enumerate(zip(explained["hits"], found, strict=True), start=1):
        assert hit["rank"] == offset + rank
        for name in ("chunk_id", "document_key", "position", "score"):
            assert hit[name] == getattr(row, name)
        assert hit["legs"] == row.contributions
        added = [leg["contribution"] for leg in hit["legs"].values()]
        assert sum(added) == pytest.approx(hit["score"], rel=1e-12)
        for leg, said in hit["legs"].items():
            assert 1 <= said["rank"] <= legs[leg]["candidates"]
            if explained["fusion"] == "rrf":
                share = 1 / (explained["rrf_k"] + said["rank"])
                assert said["contribution"] == pytest.approx(legs[leg]["weight"] * share)


def test_what_it_says_of_legs(session: psycopg.Connection) -> None:
    asked = queries(31, *LEGS)
    explained = explain(session, **arguments(asked), leg_candidates={"flat": 7})
    # a hundred vectors are compared faster than a graph is walked
    plans = dict.fromkeys(LEGS, "exact") | {"keyword": "index", "late_interaction": "candidates"}
    order = ["keyword", "semantic", "sparse", "bag", "flat", "pieces", "late_interaction"]
    assert [leg["leg"] for leg in explained["legs"]] == order
    for leg in explained["legs"]:
        assert leg["plan"] == plans[leg["leg"]]
        assert leg["space"] == LEGS[leg["leg"]][1]
        assert leg["weight"] == (0.7 if leg["leg"] in ("semantic", "flat") else 1)
        assert leg["weight_from"] == "default"
        assert leg["milliseconds"] > 0
        of_words = ("k1", "b", "field_weights") if leg["leg"] == "keyword" else ()
        assert leg.keys() == {
            *("leg", "space", "plan", "candidates", "milliseconds", "weight", "weight_from"),
            *of_words,
        }
    by_leg = {leg["leg"]: leg for leg in explained["legs"]}
    assert by_leg["flat"]["candidates"] == 7
    everything = search(session, "hybrid_search", **arguments(asked), max_results=1000)
    assert explained["milliseconds"] >= sum(leg["milliseconds"] for leg in explained["legs"])
    assert (explained["fusion"], explained["rrf_k"]) == ("relative", 60)
    assert (explained["candidates"], explained["mmr_lambda"]) == (100, None)
    assert 91 <= explained["fused"] <= len(everything)


def test_where_weights_are_from(session: psycopg.Connection) -> None:
    asked = arguments(queries(32, "keyword", "semantic", "flat", "sparse"))

    def said(**options: Any) -> dict[str, tuple[float, str]]:
        legs = explain(session, **asked, **options)["legs"]
        return {leg["leg"]: (leg["weight"], leg["weight_from"]) for leg in legs}

    with session.transaction(force_rollback=True):
        session.execute(
            "select retrieval.set_ranking('c', weights => '{\"sparse\": 2, \"semantic\": 5}')"
        )
        ids = dict(session.execute("select name, space_id from retrieval.spaces").fetchall())
        calibration = {str(ids["s"]): {"weight": 0.4}, str(ids["flat"]): {"weight": 0.25}}
        session.execute(
            "update retrieval.collections set settings = settings || %s",
            [Jsonb({"calibration": calibration})],
        )
        assert said() == {
            "keyword": (1, "default"),
            "semantic": (5, "ranking"),
            "flat": (0.25, "calibration"),
            "sparse": (2, "ranking"),
        }
        session.execute("select retrieval.set_ranking('c')")
        assert said()["semantic"] == (0.4, "calibration")
    assert said(weights={"flat": 3, "keyword": 0}) == {
        "keyword": (0, "call"),
        "semantic": (1, "call"),
        "flat": (3, "call"),
        "sparse": (1, "call"),
    }


def test_steps_are_explained_where_asked_for(session: psycopg.Connection) -> None:
    asked = arguments(queries(33, "keyword", "semantic"))
    assert explain(session, **asked)["hits"][0].keys() == {
        *("chunk_id", "document_key", "position", "score", "legs", "rank"),
    }
    whole = search(session, "hybrid_search", **asked, max_results=100)
    ids, scores = [hit.chunk_id for hit in whole], [hit.score for hit in whole]
    collapsed = session.execute(
        "select * from retrieval.collapse_duplicates('c', %s, %s, 0.9)", [ids, scores]
    ).fetchall()
    explained = explain(session, **asked, duplicate_similarity=0.9, max_results=20)
    assert any(row.duplicates for row in collapsed)
    for hit, row in zip(explained["hits"], collapsed, strict=False):
        assert (hit["chunk_id"], hit["duplicates"]) == (row.chunk_id, row.duplicates)
    chosen = session.execute(
        "select * from retrieval.diversify('c', %s, %s, 0.3)", [ids, scores]
    ).fetchall()
    explained = explain(session, **asked, mmr_lambda=0.3)
    for hit, row in zip(explained["hits"], chosen, strict=True):
        assert hit["chunk_id"] == row.chunk_id
        assert hit["mmr_score"] == pytest.approx(row.mmr_score, rel=1e-9, abs=1e-12)


def test_an_explanation_of_nothing(session: psycopg.Connection) -> None:
    explained = explain(session, query_text="zebra", duplicate_similarity=0.5)
    assert (explained["hits"], explained["fused"]) == ([], 0)
    (leg,) = explained["legs"]
    assert (leg["leg"], leg["space"], leg["candidates"]) == ("keyword", None, 0)


def test_only_who_asks_is_told(session: psycopg.Connection) -> None:
    """A search leaves no explanation behind, and none is that of another search."""
    with session.transaction(force_rollback=True):
        search(session, "hybrid_search", query_text="bee")
        assert value(session, "select current_setting('retrieval.explanation', true)") in ("", None)
        statement = """select retrieval.explain_search('c', w) -> 'legs' -> 0 ->> 'candidates'
                       from unnest('{ant,zebra,bee}'::text[]) w"""
        counts = [int(count) for (count,) in session.execute(statement)]
    found = [
        len(search(session, "hybrid_search", query_text=w, max_results=100))
        for w in ("ant", "zebra", "bee")
    ]
    assert counts == found


# What it says of plans is what was done


class Corpus:
    """Some thousand chunks with the indexes that production has."""

    def __init__(self, session: psycopg.Connection) -> None:
        self.session = session
        numbers = np.random.default_rng(5)
        self.vectors = halves(numbers.normal(size=(COUNT, DIMENSIONS)))
        self.query = vector(numbers.normal(size=DIMENSIONS))
        session.execute("select retrieval.create_collection('c')")
        words = numbers.integers(0, 3000, size=(COUNT, 8))
        rows = put(
            session,
            "c",
            *(
                {
                    "document_key": f"{n:05}",
                    "content": " ".join(f"w{word}" for word in words[n]),
                    "metadata": {"n": n},
                }
                for n in range(COUNT)
            ),
        )
        self.chunks = [row.chunk_id for row in rows]
        for name, kind in (("s", "dense"), ("terms", "sparse")):
            create_space(session, name, DIMENSIONS, kind=kind)
            embed(session, name, self.chunks, np.abs(self.vectors).tolist(), kind)
            session.execute("select retrieval.build_index('c', %s, %s)", [name, kind])
            session.execute("select retrieval.activate_space('c', %s)", [name])
        session.execute("vacuum analyze")
        ids = dict(session.execute("select name, space_id from retrieval.spaces").fetchall())
        self.indexes = {
            "keyword": "retrieval.chunks_1_lexemes_idx",
            "semantic": f"retrieval.embeddings_{ids['s']}_index",
            "sparse": f"retrieval.sparse_embeddings_{ids['terms']}_index",
        }

    def scans(self) -> dict[str, int]:
        counted = "select pg_stat_get_xact_numscans(%s::regclass)"
        return {leg: value(self.session, counted, [name]) for leg, name in self.indexes.items()}


@pytest.fixture(scope="module")
def corpus(server: Any) -> Iterator[Corpus]:
    """Some thousand chunks in a database of their own."""
    name = server.create_database("retrieval_template")
    with psycopg.connect(server.url(name), autocommit=True, row_factory=namedtuple_row) as session:
        yield Corpus(session)
    server.drop_database(name)


@pytest.mark.parametrize("function", ["hybrid_search", "explain_search", "document_search"])
@pytest.mark.parametrize("plan_cache_mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("metadata_filter", [None, {"n": {"$gte": 50}}])
def test_every_index_is_used(
    corpus: Corpus, function: str, plan_cache_mode: str, metadata_filter: dict[str, Any] | None
) -> None:
    sql = corpus.session
    asked = {
        "query_text": "w1 w2 w3",
        "query_embedding": corpus.query,
        "query_sparse": sparse([1, 0.5, 0, 0, 0, 0, 0, 0]),
        "max_results": 5,
        "candidates": 5,
        "search_effort": 10,
    }
    if metadata_filter is not None:
        asked["metadata_filter"] = metadata_filter
    with sql.transaction(force_rollback=True):
        sql.execute(f"set local plan_cache_mode = {plan_cache_mode}")
        before = corpus.scans()
        for _ in range(6):
            found = search(sql, function, **asked)
        scanned = {leg: count - before[leg] for leg, count in corpus.scans().items()}
    assert scanned["keyword"] >= 6
    assert (scanned["semantic"], scanned["sparse"]) == (6, 6)
    if function == "explain_search":
        assert {leg["plan"] for leg in found[0][0]["legs"]} == {"index"}


@pytest.mark.parametrize(
    ("metadata_filter", "plan"),
    [(None, "index"), ({"n": {"$gte": 50}}, "index"), ({"n": {"$in": [17, 99]}}, "exact")],
)
def test_the_plan_of_a_space_is_what_was_done(
    corpus: Corpus, metadata_filter: dict[str, Any] | None, plan: str
) -> None:
    sql = corpus.session
    options = {} if metadata_filter is None else {"metadata_filter": metadata_filter}
    with sql.transaction(force_rollback=True):
        before = corpus.scans()["semantic"]
        explained = explain(
            sql,
            query_text="w1",
            query_embedding=corpus.query,
            candidates=10,
            search_effort=10,
            **options,
        )
        walked = corpus.scans()["semantic"] - before
    keyword, semantic = explained["legs"]
    assert (semantic["plan"], keyword["plan"]) == (plan, "index")
    assert walked == (1 if plan == "index" else 0)
    assert semantic["candidates"] == (2 if plan == "exact" else 10)


def test_an_index_that_comes_back_short_is_exact(sql: psycopg.Cursor) -> None:
    """What was walked for nothing is no plan: the answer came from comparing all."""
    chunks = fill(sql, np.random.default_rng(1).normal(size=(50, 2)))
    sql.execute("delete from retrieval.embeddings where chunk_id > %s", [chunks[3]])
    explained = explain(sql, query_embedding="[1,0]", candidates=10)
    assert [(leg["plan"], leg["candidates"]) for leg in explained["legs"]] == [("exact", 4)]
