"""What a collection's searches rank by unless a call says otherwise."""

from typing import Any

import psycopg
import pytest
from hybrid import LEGS, arguments, check, create, expected, queries, search
from statements import failure, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

STORED = "select settings -> 'ranking' from retrieval.collections where name = 'c'"
SET = {
    "fusion": "select retrieval.set_ranking('c', fusion => 'dbsf')",
    "weights": "select retrieval.set_ranking('c', weights => '{\"keyword\": 3, \"flat\": 0.1}')",
    "all": "select retrieval.set_ranking('c', 'rrf', '{\"flat\": 2, \"nothing\": 9}', 5)",
}


@pytest.fixture
def asked(sql: psycopg.Cursor) -> dict[str, Any]:
    """A query for every leg of the collection c."""
    create(sql)
    return queries(40, *LEGS)


def test_searches_rank_by_it(sql: psycopg.Cursor, asked: dict[str, Any]) -> None:
    others = {"semantic": 0.7, "sparse": 1, "bag": 1, "pieces": 1, "late_interaction": 1}
    plain = others | {"keyword": 1, "flat": 0.7}
    for name, ranking in (
        ("fusion", {"fusion": "dbsf", "weights": plain}),
        ("weights", {"fusion": "relative", "weights": plain | {"keyword": 3, "flat": 0.1}}),
        ("all", {"fusion": "rrf", "weights": plain | {"flat": 2}, "rrf_k": 5}),
    ):
        sql.execute(SET[name])
        wanted = expected(sql, asked, **ranking)
        check(search(sql, "hybrid_search", **arguments(asked)), wanted[:10])
        best = search(sql, "document_search", **arguments(asked), max_results=1)
        assert best[0].chunk_id == wanted[0][0]
        ((explained,),) = search(sql, "explain_search", **arguments(asked))
        assert explained["fusion"] == ranking["fusion"]
        assert explained["rrf_k"] == ranking.get("rrf_k", 60)
        # a call says otherwise, each by itself
        for own in ({"fusion": "relative"}, {"weights": {"bag": 3}}, {"rrf_k": 1}):
            check(
                search(sql, "hybrid_search", **arguments(asked), **own),
                expected(sql, asked, **ranking | own)[:10],
            )
    sql.execute("select retrieval.set_ranking('c')")
    assert value(sql, STORED) is None
    check(search(sql, "hybrid_search", **arguments(asked)), expected(sql, asked)[:10])


def test_what_is_stored(sql: psycopg.Cursor) -> None:
    """What is not named is not set, nor kept from before."""
    sql.execute("select retrieval.create_collection(name) from unnest('{c,d}'::text[]) name")
    sql.execute("select retrieval.set_field_weights('c', '{\"title\": 2}')")
    for name, stored in (
        ("all", {"fusion": "rrf", "weights": {"flat": 2, "nothing": 9}, "rrf_k": 5}),
        ("fusion", {"fusion": "dbsf"}),
        ("weights", {"weights": {"keyword": 3, "flat": 0.1}}),
    ):
        sql.execute(SET[name])
        assert value(sql, STORED) == stored
    sql.execute("select retrieval.set_ranking('c', rrf_k => 1, weights => '{}')")
    assert value(sql, STORED) == {"weights": {}, "rrf_k": 1}
    settings = "select settings from retrieval.collections where name = %s"
    assert value(sql, settings, ["c"])["field_weights"] == {"title": 2}
    assert "ranking" not in value(sql, settings, ["d"])
    sql.execute("select retrieval.set_ranking('c')")
    assert value(sql, settings, ["c"]) == {"field_weights": {"title": 2}}


def test_weights_of_0_alone_still_rank(sql: psycopg.Cursor, asked: dict[str, Any]) -> None:
    """They say what a leg counts beside others."""
    sql.execute("select retrieval.set_ranking('c', weights => '{\"keyword\": 0, \"flat\": 0}')")
    for legs in (["keyword"], ["flat"], ["keyword", "flat"]):
        some = {leg: asked[leg] for leg in legs}
        wanted = expected(sql, some, weights=dict.fromkeys(legs, 1))
        check(search(sql, "hybrid_search", **arguments(some)), wanted[:10])
    some = {leg: asked[leg] for leg in ("keyword", "flat", "bag")}
    wanted = expected(sql, some, weights={"keyword": 0, "flat": 0, "bag": 1})
    check(search(sql, "hybrid_search", **arguments(some)), wanted[:10])


@pytest.mark.parametrize(
    ("arguments_", "sqlstate", "message"),
    [
        ("'x'", "42704", "collection x does not exist"),
        ("null", "42704", "collection null does not exist"),
        ("'c', 'sum'", "22023", "fusion must be one of rrf, relative, dbsf, not 'sum'"),
        ("'c', weights => '[]'", "22023", "weights must be an object"),
        ("'c', weights => 'null'", "22023", "weights must be an object"),
        ("'c', weights => '{\"a\": -1}'", "22023", "weights: a must be a number from 0 to"),
        ("'c', weights => '{\"a\": \"1\"}'", "22023", "weights: a must be a number from 0 to"),
        ("'c', weights => '{\"a\": null}'", "22023", "weights: a must be a number from 0 to"),
        ("'c', weights => '{\"a\": 1e-400}'", "22023", "weights: a must be a number from 0 to"),
        ("'c', rrf_k => 0", "22023", "rrf_k must be between 1 and 1000000, not 0"),
        ("'c', rrf_k => 1000001", "22023", "rrf_k must be between 1 and 1000000, not 1000001"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments_: str, sqlstate: str, message: str
) -> None:
    sql.execute("select retrieval.create_collection('c')")
    sql.execute(SET["all"])
    before = value(sql, STORED)
    error = failure(sql, f"select retrieval.set_ranking({arguments_})")
    assert error.sqlstate == sqlstate
    assert message in error.diag.message_primary
    assert value(sql, STORED) == before
