"""Fusion is what numpy makes of the same candidates, in whatever order they are given."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from fusion import Candidate, fused, total
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import failure, put

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

FUSE = "select * from retrieval.fuse(%s::text[], %s::bigint[], %s, %s, %s, %s)"


def fuse(
    sql: psycopg.Cursor,
    candidates: list[Candidate],
    fusion: str = "rrf",
    weights: dict[str, float] | None = None,
    rrf_k: int = 60,
) -> list[Any]:
    legs, ids, scores = ([each[n] for each in candidates] for n in range(3))
    return sql.execute(FUSE, [legs, ids, scores, fusion, Jsonb(weights or {}), rrf_k]).fetchall()


SCORES = st.one_of(
    st.integers(-3, 3).map(float),
    st.integers(-(10**9), 10**9).map(lambda n: n / 1000),
    st.sampled_from([0.1, 0.1 + 1e-12, 1e9, -1e9]),
)
CANDIDATES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "C", "d e"]), st.integers(1, 12), SCORES), max_size=40
)
WEIGHTS = st.dictionaries(
    st.sampled_from(["a", "b", "C", "absent"]), st.sampled_from([0, 0.25, 1, 3])
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    candidates=CANDIDATES,
    fusion=st.sampled_from(["rrf", "relative", "dbsf"]),
    weights=WEIGHTS,
    rrf_k=st.sampled_from([1, 60, 1_000_000]),
    data=st.data(),
)
def test_random_candidates(
    sql: psycopg.Cursor,
    candidates: list[Candidate],
    fusion: str,
    weights: dict[str, float],
    rrf_k: int,
    data: st.DataObject,
) -> None:
    found = fuse(sql, candidates, fusion, weights, rrf_k)
    expected = fused(candidates, fusion, weights, rrf_k)
    assert {row.id for row in found} == expected.keys() and len(found) == len(expected)
    for row in found:
        assert row.contributions.keys() == expected[row.id].keys()
        assert row.score == pytest.approx(total(expected[row.id]), rel=1e-9, abs=1e-9)
        for leg, said in row.contributions.items():
            rank, score, contribution = expected[row.id][leg]
            assert (said["rank"], said["score"]) == (rank, score)
            assert said["contribution"] == pytest.approx(contribution, rel=1e-9, abs=1e-9)
    assert found == sorted(found, key=lambda row: (-row.score, row.id))
    shuffled = data.draw(st.permutations(candidates))
    assert fuse(sql, shuffled, fusion, weights, rrf_k) == found


# Decisions


@pytest.mark.parametrize(("fusion", "score"), [("rrf", 1 / 61), ("relative", 1), ("dbsf", 0.5)])
@pytest.mark.parametrize("only", [0.0, 7.5, -3.0])
def test_one_candidate(sql: psycopg.Cursor, fusion: str, score: float, only: float) -> None:
    ((id_, fused, contributions),) = fuse(sql, [("a", 1, only)], fusion)
    assert (id_, fused) == (1, pytest.approx(score, rel=1e-12))
    assert contributions == {"a": {"rank": 1, "score": only, "contribution": fused}}


@pytest.mark.parametrize(("fusion", "score"), [("relative", 1), ("dbsf", 0.5)])
def test_equal_scores(sql: psycopg.Cursor, fusion: str, score: float) -> None:
    found = fuse(sql, [("a", n, 0.1) for n in range(50, 0, -1)], fusion)
    assert [(row.id, row.score) for row in found] == [(n, score) for n in range(1, 51)]


@pytest.mark.parametrize("fusion", ["relative", "dbsf"])
def test_only_differences_count(sql: psycopg.Cursor, fusion: str) -> None:
    raised = [("a", n, n / 8) for n in range(9)]
    lowered = [("a", n, n / 8 - 100) for n in range(9)]
    scores = [row.score for row in fuse(sql, raised, fusion)]
    assert [row.score for row in fuse(sql, lowered, fusion)] == pytest.approx(scores, abs=1e-9)


def test_an_outlier_is_cut(sql: psycopg.Cursor) -> None:
    found = fuse(sql, [("a", n, 1.0 if n == 0 else 0.0) for n in range(50)], "dbsf")
    assert (found[0].id, found[0].score) == (0, 1)


@pytest.mark.parametrize("scores", [[1e-200, 2e-200], [0.5 + 2**-52, 0.5 + 3 * 2**-53]])
def test_what_differs_by_next_to_nothing(sql: psycopg.Cursor, scores: list[float]) -> None:
    """Too little for a deviation."""
    found = fuse(sql, [("a", n, score) for n, score in enumerate(scores)], "dbsf")
    assert [(row.id, row.score) for row in found] == [(0, 0.5), (1, 0.5)]


def test_the_best_of_an_id_counts(sql: psycopg.Cursor) -> None:
    candidates = [("a", 1, 5.0), ("a", 2, 4.0), ("a", 1, 9.0), ("a", 3, 2.0)]
    without = [("a", 1, 9.0), ("a", 2, 4.0), ("a", 3, 2.0)]
    for fusion in ("rrf", "relative", "dbsf"):
        assert fuse(sql, candidates, fusion) == fuse(sql, without, fusion)


def test_a_leg_that_found_nothing(sql: psycopg.Cursor) -> None:
    """Its weight is no mistake, and neither is that all others count nothing."""
    candidates = [("a", 2, 1.0), ("a", 1, 0.5)]
    assert fuse(sql, candidates, weights={"b": 2}) == fuse(sql, candidates)
    found = fuse(sql, candidates, weights={"a": 0})
    assert [(row.id, row.score) for row in found] == [(1, 0), (2, 0)]


@pytest.mark.parametrize(
    "nothing", ["'{}'::text[], '{}'::bigint[], '{}'", "null, null::uuid[], null"]
)
def test_nothing_to_fuse(sql: psycopg.Cursor, nothing: str) -> None:
    assert sql.execute(f"select * from retrieval.fuse({nothing})").fetchall() == []


def test_the_same_places_in_other_legs_are_a_tie(sql: psycopg.Cursor) -> None:
    places = {"a": [1, 2, 3], "b": [2, 3, 1], "c": [3, 1, 2]}
    candidates = [(leg, id_, -float(n)) for leg, ids in places.items() for n, id_ in enumerate(ids)]
    found = fuse(sql, candidates)
    assert [row.id for row in found] == [1, 2, 3]
    assert len({row.score for row in found}) == 1


@pytest.mark.parametrize(
    ("type_", "ids"),
    [
        ("bigint", [2**40, 7]),
        ("text", ["sku-1", "o'neill"]),
        ("uuid", [UUID(int=2), UUID(int=1)]),
    ],
)
def test_ids_keep_their_type(sql: psycopg.Cursor, type_: str, ids: list[Any]) -> None:
    found = sql.execute(
        f"select id, pg_typeof(id)::text from retrieval.fuse('{{a,a}}', %s::{type_}[], '{{2,1}}')",
        [ids],
    ).fetchall()
    assert found == [(id_, type_) for id_ in ids]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("'{a}', '{1,2}'::bigint[], '{1}'", "equally many, not 1, 2 and 1"),
        ("'{a}', null::bigint[], '{1}'", "equally many, not 1, 0 and 1"),
        ("'{a,b}', '{1,2}'::bigint[], '{1,NaN}'", "leg b: the score of 2 must be a number"),
        ("'{a,b}', '{1,2}'::bigint[], '{1,-infinity}'", "not -Infinity"),
        ("'{a}', '{1}'::bigint[], '{1e101}'", "up to 1e100"),
        ("'{a,b}', '{1,2}'::bigint[], '{1,null}'", "leg b: the score of 2"),
        ("'{a,null}', '{1,2}'::bigint[], '{1,1}'", "candidate 2 must have a leg and an id"),
        ("'{a,b}', '{1,null}'::bigint[], '{1,1}'", "candidate 2 must have a leg and an id"),
        ("'{a}', '{1}'::bigint[], '{1}', 'sum'", "fusion must be one of rrf, relative, dbsf"),
        ("'{a}', '{1}'::bigint[], '{1}', null", "fusion"),
        ("'{a}', '{1}'::bigint[], '{1}', rrf_k => 0", "rrf_k"),
        ("'{a}', '{1}'::bigint[], '{1}', weights => '[]'", "weights must be an object"),
        ("'{a}', '{1}'::bigint[], '{1}', weights => null", "weights must be an object"),
        ("'{a}', '{1}'::bigint[], '{1}', weights => '{\"a\": -1}'", "weights: a must be a number"),
        ("'{a}', '{1}'::bigint[], '{1}', weights => '{\"a\": \"1\"}'", "weights: a"),
        ("'{a}', '{1}'::bigint[], '{1}', weights => '{\"b\": 1e400}'", "weights: b"),
        ("'{a}', '{1}'::bigint[], '{1}', weights => '{\"b\": 1e-400}'", "weights: b"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, named: str) -> None:
    error = failure(sql, f"select * from retrieval.fuse({arguments})")
    assert error.sqlstate == "22023"
    assert named in error.diag.message_primary


# With what it is for


def test_it_fuses_what_hybrid_search_fuses(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    words = ["ant", "bee", "ant bee", "cat ant", "bee bee cat"]
    rows = put(sql, "c", *({"document_key": str(n), "content": w} for n, w in enumerate(words)))
    sql.execute("select retrieval.create_space('c', 's', 'm', 2, index_method => 'none')")
    sql.execute(
        "select retrieval.put_embeddings('c', 's', %s, %s::halfvec[])",
        [[row.chunk_id for row in rows], [f"[{n},{5 - n * n}]" for n in range(5)]],
    )
    sql.execute("select retrieval.activate_space('c', 's')")
    found = sql.execute(
        """with found as (
               select 'keyword' as leg, chunk_id as id, score
               from retrieval.keyword_search('c', 'ant bee')
               union all
               select 'semantic', chunk_id, score from retrieval.semantic_search('c', '[1,1]'))
           select f.id, f.score
           from (select array_agg(leg) as legs, array_agg(id) as ids, array_agg(score) as scores
                 from found) a
           cross join retrieval.fuse(a.legs, a.ids, a.scores, weights => '{"semantic": 2}') f
           order by f.score desc, f.id"""
    ).fetchall()
    hybrid = sql.execute(
        """select chunk_id, score from retrieval.hybrid_search(
               'c', 'ant bee', '[1,1]', fusion => 'rrf', weights => '{"semantic": 2}')"""
    ).fetchall()
    assert [row.id for row in found] == [hit.chunk_id for hit in hybrid]
    assert [row.score for row in found] == pytest.approx([hit.score for hit in hybrid], rel=1e-12)


def test_keyword_search_and_an_own_table(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('shop')")
    contents = {"boots": "warm boots", "jacket": "a warm jacket", "fan": "a fan"}
    put(sql, "shop", *({"document_key": k, "content": text} for k, text in contents.items()))
    sql.execute("create temp table products (sku text primary key, sold integer)")
    sql.execute("insert into products values ('boots', 1), ('jacket', 5), ('fan', 9), ('hat', 3)")
    found = sql.execute(
        """with found as (
               select 'keyword' as leg, k.document_key as id, k.score
               from retrieval.keyword_search('shop', 'warm jacket', max_results => 100) k
               union all
               (select 'sales', p.sku, p.sold from products p order by p.sold desc limit 3))
           select p.sku, p.sold, f.score, f.contributions
           from (select array_agg(leg) as legs, array_agg(id) as ids, array_agg(score) as scores
                 from found) a
           cross join retrieval.fuse(a.legs, a.ids, a.scores, 'relative', '{"sales": 0.5}') f
           join products p on p.sku = f.id
           order by f.score desc, f.id"""
    ).fetchall()
    assert [(row.sku, row.score) for row in found] == [
        ("jacket", pytest.approx(1 + 0.5 * (5 - 3) / (9 - 3))),
        ("fan", 0.5),
        ("boots", 0),
        ("hat", 0),
    ]
    assert found[0].contributions.keys() == {"keyword", "sales"}
