"""A hybrid search is what Python makes of the searches of its legs."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hybrid import LEGS, arguments, check, create, expected, hits, queries, search
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, failure, put, vector
from vectors import create_space, embed, fill

FUSIONS = ["rrf", "relative", "dbsf"]
NAMED = ["keyword", "semantic", "sparse", "late_interaction"]


@pytest.fixture(scope="module")
def session(module_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a database with the collection c."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as opened:
        create(opened)
        yield opened


# The fused score


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    legs=st.sets(st.sampled_from(list(LEGS)), min_size=1),
    fusion=st.sampled_from(FUSIONS),
    late_interaction=st.sampled_from(["candidates", "collection"]),
    candidates=st.sampled_from([1, 5, 30, 100]),
    max_results=st.sampled_from([1, 10, 100]),
    rrf_k=st.sampled_from([1, 60]),
    metadata_filter=st.sampled_from([None, {"n": {"$lt": 20}}, {"n": {"$in": [3, 8]}}]),
    data=st.data(),
)
def test_random_searches(
    session: psycopg.Connection,
    seed: int,
    legs: set[str],
    late_interaction: str,
    data: st.DataObject,
    **options: Any,
) -> None:
    asked = queries(seed, *legs)
    some = st.sets(st.sampled_from(list(asked)))
    weights = {leg: data.draw(st.sampled_from([0.25, 1, 3])) for leg in data.draw(some)}
    if weights and len(asked) > 1:
        weights[next(iter(weights))] = 0
    depths = {leg: data.draw(st.sampled_from([1, 7, 50])) for leg in data.draw(some)}
    options |= {"weights": weights} if weights else {}
    options |= {"leg_candidates": depths} if depths else {}
    if legs != {"late_interaction"}:
        options["late_interaction"] = late_interaction
    found = search(session, "hybrid_search", **arguments(asked), **options)
    check(found, expected(session, asked, **options)[: options["max_results"]])


def test_columns_of_the_named_legs(session: psycopg.Connection) -> None:
    asked = queries(1, *LEGS)
    wanted = expected(session, asked, late_interaction="collection", candidates=20)
    by_id = {id_: legs for id_, _, legs in wanted}
    found = search(
        session,
        "hybrid_search",
        **arguments(asked),
        max_results=20,
        candidates=20,
        late_interaction="collection",
    )
    assert len(found) == 20
    for hit in found:
        for leg in NAMED:
            said = (getattr(hit, f"{leg}_rank"), getattr(hit, f"{leg}_score"))
            assert said == by_id[hit.chunk_id].get(leg, (None, None))[:2]
    assert any(hit.sparse_rank is None for hit in found)


def test_a_hit_says_where_it_is_from(session: psycopg.Connection) -> None:
    (hit,) = search(session, "hybrid_search", query_text="ant", max_results=1)
    own = search(session, "keyword_search", query_text="ant", max_results=1)
    assert hit[:7] == own[0][:7]


def test_relative_and_a_little_less_for_vectors_by_default(session: psycopg.Connection) -> None:
    asked = queries(2, "keyword", "semantic", "sparse", "late_interaction", "flat")
    weights = {"keyword": 1, "semantic": 0.7, "sparse": 1, "late_interaction": 1, "flat": 0.7}
    wanted = expected(session, asked, fusion="relative", weights=weights)
    found = search(session, "hybrid_search", **arguments(asked))
    check(found, wanted[:10])


def test_the_order_in_which_queries_are_given_is_nothing(session: psycopg.Connection) -> None:
    given_ = {"flat": [1, 0, 0], "bag": "{1:1}/3", "pieces": [[1, 0, 0]], "s": [0, 1, 0]}
    statement = "select * from retrieval.hybrid_search('c', query_embeddings => %s)"
    found = [
        session.execute(statement, [json.dumps(dict(order))]).fetchall()
        for order in (given_.items(), sorted(given_.items()), reversed(given_.items()))
    ]
    assert len(found[0]) == 10
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(("fusion", "share"), [("rrf", 1 / 61), ("relative", 1), ("dbsf", 0.5)])
def test_one_candidate(session: psycopg.Connection, fusion: str, share: float) -> None:
    """The best there is, however bad: its distance is no score of its own."""
    for leg, weight in (("keyword", 1), ("flat", 0.7)):
        (hit,) = search(
            session,
            "hybrid_search",
            **arguments(queries(3, leg)),
            fusion=fusion,
            candidates=1,
            max_results=1,
        )
        assert hit.score == pytest.approx(weight * share, rel=1e-12)


@pytest.mark.parametrize(("fusion", "share"), [("relative", 1), ("dbsf", 0.5)])
def test_all_scores_equal(sql: psycopg.Cursor, fusion: str, share: float) -> None:
    chunks = fill(sql, np.ones((20, 2)), metric="l2", index_method="none")
    embedding = "[1,3]"
    found = search(sql, "hybrid_search", query_text="x", query_embedding=embedding, fusion=fusion)
    assert [hit.chunk_id for hit in found] == chunks[:10]
    assert [hit.score for hit in found] == pytest.approx([1.7 * share] * 10)
    assert {hit.semantic_score for hit in found} == {-2}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_leg_without_results(session: psycopg.Connection, fusion: str) -> None:
    """Neither adds anything nor takes anything away."""
    asked = queries(4, "semantic", "flat")
    alone = search(session, "hybrid_search", **arguments(asked), fusion=fusion)
    found = search(session, "hybrid_search", **arguments(asked), query_text="zebra", fusion=fusion)
    assert found == alone


def test_ties_go_by_chunk_id(sql: psycopg.Cursor) -> None:
    # first in one leg and absent from the other: the same score twice
    chunks = fill(sql, np.eye(2), index_method="none")
    (word,) = put(sql, "c", {"document_key": "word", "content": "zebra"})
    found = search(
        sql,
        "hybrid_search",
        query_text="zebra",
        query_embedding="[0,1]",
        weights={},
        candidates=1,
        max_results=2,
        leg_candidates={"semantic": 1},
    )
    assert [hit.chunk_id for hit in found] == [chunks[1], word.chunk_id]
    assert [hit.score for hit in found] == [1, 1]


# Filters


@pytest.mark.parametrize("late_interaction", ["candidates", "collection"])
def test_the_filter_comes_before_the_cut(
    session: psycopg.Connection, late_interaction: str
) -> None:
    """What is worst in each leg is found by one candidate, if it alone passes."""
    for legs in ([leg] for leg in LEGS if leg != "late_interaction"):
        asked = queries(5, *legs)
        worst = hits(session, legs[0], asked[legs[0]], 1000, None)[-1][1]
        (metadata,) = column(
            session, "select metadata from retrieval.chunks where chunk_id = %s", [worst]
        )
        # its document may have several
        alike = hits(session, legs[0], asked[legs[0]], 1000, metadata)
        asked |= queries(5, "late_interaction")
        found = search(
            session,
            "hybrid_search",
            **arguments(asked),
            metadata_filter=metadata,
            candidates=1,
            max_results=1,
            late_interaction=late_interaction,
            weights={legs[0]: 1, "late_interaction": 1e-9},
        )
        assert [hit.chunk_id for hit in found] == [alike[0][1]]
        assert found[0].metadata == metadata


# Late interaction


def test_tokens_order_what_others_have_found(session: psycopg.Connection) -> None:
    """With weights of 0 for the others that is all that counts, and nothing found is lost."""
    asked = queries(6, "keyword", "semantic", "late_interaction")
    weights = {"keyword": 0, "semantic": 0, "late_interaction": 1}
    options = {"weights": weights, "leg_candidates": {"keyword": 20, "semantic": 15}}
    found = search(session, "hybrid_search", **arguments(asked), **options, max_results=60)
    others = {leg: query for leg, query in asked.items() if leg != "late_interaction"}
    wanted = expected(session, others, leg_candidates=options["leg_candidates"])
    assert {hit.chunk_id for hit in found} == {id_ for id_, _, _ in wanted}
    scored = [hit for hit in found if hit.late_interaction_rank is not None]
    assert len(scored) < len(found), "some have no tokens"
    by_tokens = hits(session, "late_interaction", asked["late_interaction"], 10000, None)
    ids = {hit.chunk_id for hit in scored}
    assert [hit.chunk_id for hit in scored] == [id_ for _, id_, _ in by_tokens if id_ in ids]


def test_what_is_reranked_are_the_best_of_the_others(session: psycopg.Connection) -> None:
    """By their fusion, also where their weights say that they count nothing."""
    asked = queries(7, "keyword", "flat", "late_interaction")
    others = {leg: query for leg, query in asked.items() if leg != "late_interaction"}
    options = {"candidates": 30, "leg_candidates": {"late_interaction": 8}}
    for weights in ({"keyword": 0, "flat": 0}, {"keyword": 1, "flat": 2}):
        counted = weights if any(weights.values()) else {}
        wanted = expected(session, others, candidates=30, weights=counted)[:8]
        found = search(
            session,
            "hybrid_search",
            **arguments(asked),
            **options,
            weights=weights,
            max_results=30,
        )
        ids = {hit.chunk_id for hit in found if hit.late_interaction_rank is not None}
        with_tokens = set(column(session, "select chunk_id from retrieval.token_embeddings"))
        assert ids == {id_ for id_, _, _ in wanted} & with_tokens


def test_tokens_alone_search_the_collection(session: psycopg.Connection) -> None:
    asked = queries(8, "late_interaction")
    wanted = hits(session, "late_interaction", asked["late_interaction"], 10, None)
    for options in ({}, {"late_interaction": "collection"}):
        found = search(session, "hybrid_search", **arguments(asked), **options)
        assert [hit.chunk_id for hit in found] == [id_ for _, id_, _ in wanted]
    error = failure(
        session,
        "select * from retrieval.hybrid_search("
        "'c', query_tokens => '{\"[1,0,0]\"}', late_interaction => 'candidates')",
    )
    assert error.sqlstate == "22023"
    assert "late_interaction: there are no candidates" in error.diag.message_primary


def test_others_that_find_nothing_leave_nothing_to_rerank(session: psycopg.Connection) -> None:
    asked = {"query_text": "zebra", "query_tokens": '{"[1,0,0]"}'}
    assert search(session, "hybrid_search", **asked) == []
    assert len(search(session, "hybrid_search", **asked, late_interaction="collection")) == 10


# Nothing much to search


@pytest.mark.parametrize("text", ["", " ", "the of and", "zebra", "-ant", '""'])
def test_words_that_find_nothing(session: psycopg.Connection, text: str) -> None:
    assert search(session, "hybrid_search", query_text=text) == []
    asked = arguments(queries(9, "semantic"))
    alone = search(session, "hybrid_search", **asked)
    assert search(session, "hybrid_search", query_text=text, **asked) == alone


def test_an_empty_collection(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    assert search(sql, "hybrid_search", query_text="ant") == []
    for kind in ("dense", "sparse", "multivector"):
        create_space(sql, kind, 2, kind=kind)
        sql.execute("select retrieval.activate_space('c', %s)", [kind])
    found = search(
        sql,
        "hybrid_search",
        query_text="ant",
        query_embedding="[1,0]",
        query_sparse="{1:1}/2",
        query_tokens='{"[1,0]"}',
        duplicate_similarity=0.9,
        per_document=1,
        mmr_lambda=0.5,
    )
    assert found == []


def test_a_collection_without_a_space(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", {"document_key": "a", "content": "ant"})
    found = search(sql, "hybrid_search", query_text="ant", duplicate_similarity=0.9)
    assert [hit.document_key for hit in found] == ["a"]
    for argument, kind in (
        ("query_embedding => '[1,0,0]'", ""),
        ("query_sparse => '{1:1}/2'", " sparse"),
        ("query_tokens => '{\"[1]\"}'", " multivector"),
        ("mmr_lambda => 0.5", ""),
    ):
        error = failure(sql, f"select * from retrieval.hybrid_search('c', 'ant', {argument})")
        assert error.sqlstate == "55000"
        assert error.diag.message_primary == f"collection c has no active{kind} space"


def test_a_retired_space_is_searched_by_its_name(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.eye(3))
    create_space(sql, "old", 3)
    embed(sql, "old", chunks, np.eye(3)[::-1].tolist())
    sql.execute("select retrieval.retire_space('c', 'old')")
    for options in (
        {"query_embedding": "[1,0,0]", "space": "old"},
        {"query_embeddings": {"old": [1, 0, 0]}},
    ):
        found = search(sql, "hybrid_search", **options, max_results=1)
        assert [hit.chunk_id for hit in found] == [chunks[2]]


def test_a_query_adapter_has_its_say(sql: psycopg.Cursor) -> None:
    chunks = fill(sql, np.eye(2))
    sql.execute("select retrieval.set_query_adapter('c', 's', '{\"[0,1]\",\"[1,0]\"}', '[0,0]')")
    for options in ({"query_embedding": "[1,0]"}, {"query_embeddings": {"s": [1, 0]}}):
        found = search(sql, "hybrid_search", **options, max_results=1)
        assert [hit.chunk_id for hit in found] == [chunks[1]]


def test_every_word_demanded(session: psycopg.Connection) -> None:
    options = {"query_text": "cat dog", "max_results": 100}
    found = search(session, "hybrid_search", **options, keyword_operator="and")
    assert 0 < len(found) < len(search(session, "hybrid_search", **options))
    assert all("cat" in hit.content and "dog" in hit.content for hit in found)


# Whatever the session


@pytest.mark.parametrize("prepare", [True, False])
def test_the_same_at_every_call(session: psycopg.Connection, prepare: bool) -> None:
    statement = (
        "select chunk_id, score from retrieval.hybrid_search('c', %s, %s, metadata_filter => %s,"
        " query_tokens => %s, query_embeddings => %s)"
    )
    given_ = [
        "ant bee",
        vector([1, 0.5, -0.2]),
        Jsonb({"n": {"$lt": 12}}),
        '{"[1,0,0]"}',
        Jsonb({"flat": [1, 1, 0]}),
    ]
    first = session.execute(statement, given_).fetchall()
    assert len(first) == 10
    for _ in range(12):
        assert session.execute(statement, given_, prepare=prepare).fetchall() == first


@pytest.mark.parametrize(
    "setting",
    [
        "search_path = ''",
        "search_path = pg_temp, nowhere",
        "plan_cache_mode = force_generic_plan",
        "debug_parallel_query = on",
        "enable_seqscan = off",
        "transaction_read_only = on",
    ],
)
def test_the_sessions_settings_change_nothing(session: psycopg.Connection, setting: str) -> None:
    asked = arguments(queries(10, *LEGS))
    steps = {"duplicate_similarity": 0.99, "per_document": 2, "mmr_lambda": 0.7}
    calls = {
        "hybrid_search": [{}, steps, {"late_interaction": "collection"}],
        "document_search": [{"aggregation": "sum"}],
    }
    for function, variants in calls.items():
        for options in variants:
            before = search(session, function, **asked, **options)
            with session.transaction(force_rollback=True):
                session.execute(f"set local {setting}")
                assert search(session, function, **asked, **options) == before


def test_a_search_has_the_rights_of_the_owner(session: psycopg.Connection) -> None:
    """Who may search needs no table, and row-level security has its say where it is forced."""
    asked = arguments(queries(11, *LEGS))
    options = {"duplicate_similarity": 0.99, "per_document": 2, "mmr_lambda": 0.7}
    tokens = {leg: asked[leg] for leg in ("query_tokens",)}
    before = search(session, "hybrid_search", **asked, **options)
    with session.transaction(force_rollback=True):
        session.execute("revoke select on all tables in schema retrieval from retrieval_reader")
        session.execute("set local role retrieval_reader")
        assert search(session, "hybrid_search", **asked, **options) == before
        assert search(session, "document_search", **asked) != []
        assert search(session, "hybrid_search", **tokens) != []
        session.execute("reset role")
        session.execute(
            "create policy none on retrieval.token_embeddings as restrictive using (false);"
            " alter table retrieval.token_embeddings force row level security"
        )
        session.execute("set local role retrieval_reader")
        assert search(session, "hybrid_search", **tokens) == []


def test_many_searches_in_one_statement(session: psycopg.Connection) -> None:
    statement = """select h.chunk_id, h.score, d.document_id
                   from unnest(%s::text[], %s::halfvec[]) q(query_text, query_embedding)
                   cross join lateral retrieval.hybrid_search(
                       'c', q.query_text, q.query_embedding, max_results => 3) h
                   cross join lateral retrieval.document_search(
                       'c', q.query_text, q.query_embedding, max_results => 1) d"""
    texts, embeddings = ["ant", "bee", None], ["[1,0,0]", None, "[0,1,0]"]
    together = session.execute(statement, [texts, embeddings]).fetchall()
    apart = [
        row
        for text, embedding in zip(texts, embeddings, strict=True)
        for row in session.execute(statement, [[text], [embedding]])
    ]
    assert len(together) == 9
    assert together == apart


def test_within_a_function(session: psycopg.Connection) -> None:
    session.execute(
        """create or replace function pg_temp.counts() returns setof bigint
           language plpgsql as $$
           begin
               for n in 1 .. 12 loop
                   return query select count(*) from retrieval.hybrid_search(
                       'c', 'ant bee', '[1,0.5,-0.2]', metadata_filter => '{"n": {"$lt": 6}}');
               end loop;
           end $$"""
    )
    assert column(session, "select * from pg_temp.counts()") == [10] * 12
