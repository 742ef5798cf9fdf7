"""What a collection's searches rank by unless a call says otherwise."""

from typing import Any

import psycopg
import pytest
from hybrid import LEGS, arguments, check, create, expected, queries, search
from statements import failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

STORED = "select settings -> 'ranking' from retrieval.collections where name = 'c'"
SET = {
    "fusion": "select retrieval.set_ranking('c', fusion => 'dbsf')",
    "weights": "select retrieval.set_ranking('c', weights => '{\"keyword\": 3, \"flat\": 0.1}')",
    "all": "select retrieval.set_ranking('c', 'rrf', '{\"flat\": 2, \"nothing\": 9}', 5)",
}
RERANK = {"model": "a", "candidates": 20}


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
    more = {"candidates": 7, "k1": 0, "b": 0.5, "mmr_lambda": 0.25, "rerank": RERANK}
    search(sql, "set_ranking", **more)
    assert value(sql, STORED) == more
    settings = "select settings from retrieval.collections where name = %s"
    assert value(sql, settings, ["c"])["field_weights"] == {"title": 2}
    assert "ranking" not in value(sql, settings, ["d"])
    sql.execute("select retrieval.set_ranking('c')")
    assert value(sql, settings, ["c"]) == {"field_weights": {"title": 2}}


def chunks_of(rows: list[Any]) -> list[tuple[int, float]]:
    return [(row.chunk_id, row.score) for row in rows]


def explained_options(sql: psycopg.Cursor, **asked: Any) -> dict[str, Any]:
    """What an explanation says that a search ranked by."""
    ((explained,),) = search(sql, "explain_search", **asked)
    words = explained["legs"][0]
    return {name: {**words, **explained}[name] for name in ("candidates", "mmr_lambda", "k1", "b")}


def test_how_deep_and_how_diverse(sql: psycopg.Cursor, asked: dict[str, Any]) -> None:
    """As in a call; and a call, if it says 1 for no diversity, has the last word."""
    given = arguments(asked)
    plain = search(sql, "hybrid_search", **given)
    own = {"candidates": 15, "mmr_lambda": 0.2}
    wanted = search(sql, "hybrid_search", **given, **own)
    documents = search(sql, "document_search", **given, candidates=15)
    assert chunks_of(wanted) != chunks_of(search(sql, "hybrid_search", **given, candidates=15))
    assert chunks_of(wanted) != chunks_of(search(sql, "hybrid_search", **given, mmr_lambda=0.2))
    search(sql, "set_ranking", **own)
    assert chunks_of(search(sql, "hybrid_search", **given)) == chunks_of(wanted)
    assert chunks_of(search(sql, "document_search", **given)) == chunks_of(documents)
    assert explained_options(sql, **given).items() > own.items()
    otherwise = {"candidates": 100, "mmr_lambda": 1}
    assert chunks_of(search(sql, "hybrid_search", **given, **otherwise)) == chunks_of(plain)
    said = explained_options(sql, **given, **otherwise)
    assert (said["candidates"], said["mmr_lambda"]) == (100, None)
    # a page that the collection's candidates do not reach
    error = failure(sql, "select * from retrieval.hybrid_search('c', 'ant', result_offset => 10)")
    assert "must be at most candidates, which is 15, not 20" in str(error)


def test_diversity_needs_a_space_only_where_a_call_asks(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", {"document_key": "a", "content": "ant"})
    search(sql, "set_ranking", mmr_lambda=0.5)
    assert len(search(sql, "hybrid_search", query_text="ant")) == 1
    error = failure(sql, "select * from retrieval.hybrid_search('c', 'ant', mmr_lambda => 0.5)")
    assert error.sqlstate == "55000"


def test_how_words_are_ranked(sql: psycopg.Cursor, asked: dict[str, Any]) -> None:
    """In every function that ranks by them, and as in a call of it."""
    words = {"query_text": "ant bee cat"}
    own = {"k1": 0.2, "b": 1}
    example = value(sql, "select min(chunk_id) from retrieval.chunks")

    def scores(**options: Any) -> dict[str, Any]:
        hybrid = search(sql, "hybrid_search", **words, max_results=20, **options)
        found = search(sql, "document_search", **words, **options)
        explained = search(sql, "explain_keyword_search", **words, **options)
        return {
            "keyword": chunks_of(search(sql, "keyword_search", **words, **options)),
            "hybrid": [(hit.chunk_id, hit.keyword_score) for hit in hybrid],
            "documents": [(each.document_id, each.score) for each in found],
            "explained": [(row.chunk_id, row.contribution) for row in explained],
        }

    plain, wanted = scores(), scores(**own)
    assert wanted["hybrid"][:10] == wanted["keyword"]
    assert all(wanted[name] != plain[name] for name in plain)
    like = search(sql, "more_like_this", example_chunk=example)
    search(sql, "set_ranking", **own)
    assert scores() == wanted
    assert explained_options(sql, **words).items() > own.items()
    assert scores(k1=1.2, b=0.75) == plain
    assert scores(k1=0.2, b=0.75) != plain
    assert chunks_of(search(sql, "more_like_this", example_chunk=example)) != chunks_of(like)


def test_field_weights_of_a_call(sql: psycopg.Cursor) -> None:
    """They are set by set_field_weights, not by set_ranking, and a hybrid search takes others."""
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", {"document_key": "a", "title": "ant bee", "content": "cat"})
    put(sql, "c", {"document_key": "b", "title": "cat", "content": "ant bee dog"})
    sql.execute("select retrieval.set_field_weights('c', '{\"title\": 0}')")
    for weights, found in (({"content": 0}, "a"), ({"title": 0}, "b"), (None, "b")):
        given = {"query_text": "ant"} | ({"field_weights": weights} if weights else {})
        for function in ("keyword_search", "hybrid_search", "document_search"):
            assert [hit.document_key for hit in search(sql, function, **given)] == [found]
        ((explained,),) = search(sql, "explain_search", **given)
        assert explained["legs"][0]["field_weights"] == (weights or {"title": 0})


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
        ("'c', candidates => 0", "22023", "candidates must be between 1 and 10000, not 0"),
        ("'c', k1 => 'NaN'", "22023", "k1 must be between 0 and 100, not NaN"),
        ("'c', b => 2", "22023", "b must be between 0 and 1, not 2"),
        ("'c', mmr_lambda => -1", "22023", "mmr_lambda must be between 0 and 1, not -1"),
        ("'c', rerank => '\"a\"'", "22023", "rerank must be an object such as"),
        ("'c', rerank => 'null'", "22023", "rerank must be an object such as"),
        ("'c', rerank => '{}'", "22023", "rerank: model must be the name of a reranker, not left"),
        ("'c', rerank => '{\"model\": \" \"}'", "22023", "rerank: model must be the name"),
        ("'c', rerank => '{\"model\": true}'", "22023", "rerank: model must be the name"),
        ('\'c\', rerank => \'{"model": "a", "depth": 1}\'', "22023", "option must be one of"),
        *(
            (f'\'c\', rerank => \'{{"model": "a", "candidates": {number}}}\'', "22023", message)
            for number, message in (
                ("0", "rerank: candidates must be between 1 and 10000, not 0"),
                ("2.5", "rerank: candidates must be a whole number from 1 to 10000, not 2.5"),
                ('"9"', "rerank: candidates must be a whole number"),
                ("null", "rerank: candidates must be a whole number"),
            )
        ),
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
