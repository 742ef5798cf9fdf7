"""To a tenant, a collection that others share is one that it has for itself, to the last digit."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, value, vector
from tenants import TENANTS, Names, create, enter, rows, store
from vectors import sparse

# which version of PostgreSQL makes no difference here
pytestmark = pytest.mark.newest

QUERY = [1.25, -0.75, 0.25, 2.25]
ARGUMENTS: dict[str, Any] = {
    "words": "ant bee elk -gnu",
    "dense": vector(QUERY),
    "sparse": sparse(QUERY),
    "tokens": [vector(QUERY), vector(QUERY[::-1])],
    "filter": Jsonb({"kind": "x", "n": {"$lt": 20}}),
    "boosts": Jsonb([{"field": "n", "modifier": "log1p"}]),
    "none": Jsonb(None),
}
HYBRID = """%(c)s, %(words)s, %(dense)s::halfvec, %(sparse)s::sparsevec,
            query_tokens => %(tokens)s::halfvec[]"""
# chunks to begin with, by what is the same in both collections
SOME = """(select array_agg(c.chunk_id order by c.chunk_id) from retrieval.chunks c
           join retrieval.documents d using (document_id, collection_id)
           where c.collection_id = (select n.collection_id from retrieval.collections n
                                    where n.name = %(c)s)
             and c.tenant = %(tenant)s and d.document_key {})"""
SEVENTH, NINTH = SOME.format("= '07'"), SOME.format("= '09'")
FIRST, LAST = SOME.format("< '02'"), SOME.format("> '20'")
FOUND = f"""(select array_agg(chunk_id) as ids, array_agg(score) as scores
             from retrieval.hybrid_search({HYBRID}, max_results => 30)) a"""

STATEMENTS = {
    "keyword": "select * from retrieval.keyword_search(%(c)s, %(words)s, max_results => 40)",
    "prefix": "select * from retrieval.keyword_search(%(c)s, 'a* e*', %(filter)s)",
    "phrase": "select * from retrieval.keyword_search(%(c)s, '\"ant bee\" fox')",
    "own word": "select * from retrieval.keyword_search(%(c)s, 'acmeword boltword noneword ant')",
    "weighted": """select * from retrieval.keyword_search(
                   %(c)s, %(words)s, keyword_operator => 'and',
                   field_weights => '{"title": 2, "content": 1}')""",
    "explain_keyword_search": "select * from retrieval.explain_keyword_search(%(c)s, %(words)s)",
    "semantic": "select * from retrieval.semantic_search(%(c)s, %(dense)s, max_results => 50)",
    "filtered": "select * from retrieval.semantic_search(%(c)s, %(dense)s, %(filter)s)",
    "sparse": "select * from retrieval.sparse_search(%(c)s, %(sparse)s, max_results => 50)",
    "late interaction": """select * from retrieval.late_interaction_search(
                           %(c)s, %(tokens)s::halfvec[], max_results => 50)""",
    "hybrid": f"select * from retrieval.hybrid_search({HYBRID}, max_results => 50)",
    "whole": f"select * from retrieval.hybrid_search({HYBRID}, late_interaction => 'collection')",
    "dbsf": f"""select * from retrieval.hybrid_search(
                {HYBRID}, metadata_filter => %(filter)s, fusion => 'dbsf')""",
    "refined": f"""select * from retrieval.hybrid_search({HYBRID}, boosts => %(boosts)s,
                   duplicate_similarity => 0.9, per_document => 1, mmr_lambda => 0.5)""",
    "explain_search": f"select retrieval.explain_search({HYBRID}, boosts => %(boosts)s)",
    "documents": f"select * from retrieval.document_search({HYBRID}, aggregation => 'sum')",
    "recommend": f"select * from retrieval.recommend(%(c)s, {SEVENTH}, {NINTH})",
    "best score": f"""select * from retrieval.recommend(%(c)s, {FIRST}, strategy => 'best_score',
                      exclude_documents => false)""",
    "recommend_documents": """select * from retrieval.recommend_documents(
                              %(c)s, array['07', '08'], array['11'])""",
    "more_like_this": "select * from retrieval.more_like_this(%(c)s, '07', terms => 5)",
    "more like a chunk": f"""select * from retrieval.more_like_this(
                             %(c)s, null, %(filter)s, example_chunk => {SEVENTH}[1])""",
    "facets": "select * from retrieval.facets(%(c)s, array['kind', 'owner', 'n'], %(words)s)",
    "facets of all": "select * from retrieval.facets(%(c)s, array['owner', 'kind'])",
    "facets of some": f"select * from retrieval.facets(%(c)s, array['kind'], chunk_ids => {LAST})",
    "count": """select retrieval.count_matches(%(c)s, 'ant') as one,
                       retrieval.count_matches(%(c)s, %(words)s) as words,
                       retrieval.count_matches(%(c)s, %(words)s, %(filter)s) as filtered,
                       retrieval.count_matches(%(c)s, 'ant bee', exact => true) as exact,
                       retrieval.count_matches(%(c)s, 'boltword') as bolt""",
    "passages": f"""select p.* from {FOUND}
                    cross join retrieval.passages(%(c)s, a.ids, a.scores, 1, 1) p""",
    "diversify": f"""select p.* from {FOUND}
                     cross join retrieval.diversify(%(c)s, a.ids, a.scores) p""",
    "collapse_duplicates": f"""select p.* from {FOUND}
                               cross join retrieval.collapse_duplicates(%(c)s, ids, scores) p""",
    "boost": f"""select p.* from {FOUND}
                 cross join retrieval.boost(%(c)s, a.ids, a.scores, %(boosts)s) p""",
    "packed_tokens": f"select * from retrieval.packed_tokens(%(c)s, {FIRST})",
    "neighbouring_chunks": f"select * from retrieval.neighbouring_chunks({SEVENTH}[1], 3, 3)",
    "highlight": "select retrieval.highlight(%(c)s, 'acmeword boltword nonesuch ant', 'a* b* n*')",
    "calibrate": "select * from retrieval.calibrate(%(c)s, 's', 1000, false)",
    "sample_embeddings": """select * from retrieval.sample_embeddings(%(c)s, 's', 1000)
                            order by chunk_id""",
    "export_embeddings": "select * from retrieval.export_embeddings(%(c)s)",
    "export_sparse_embeddings": "select * from retrieval.export_sparse_embeddings(%(c)s)",
    "export_token_embeddings": "select * from retrieval.export_token_embeddings(%(c)s)",
}


@pytest.fixture(scope="module")
def session(module_database_url: str) -> Iterator[psycopg.Connection]:
    """A session on a collection that three tenants share, and one for each of two of them alone."""
    with psycopg.connect(
        module_database_url, autocommit=True, row_factory=namedtuple_row
    ) as opened:
        create(opened, "shared", TENANTS)
        create(opened, "acme alone", ["acme"])
        create(opened, "none alone", [""])
        yield opened


def both(session: psycopg.Connection, tenant: str, statement: str) -> list[list[Any]]:
    """What a tenant gets from the shared collection, and from the one that it has alone."""
    names = Names(session)
    enter(session, tenant)
    found = []
    for collection in ("shared", f"{tenant or 'none'} alone"):
        given = {**ARGUMENTS, "c": collection, "tenant": tenant}
        found.append(names.told(rows(session, statement, given)))
    enter(session, "")
    return found


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("tenant", ["acme", ""])
def test_the_same_as_alone(session: psycopg.Connection, tenant: str, statement: str) -> None:
    if (tenant, statement) == ("", "sample_embeddings"):
        pytest.skip("the owner in no tenant keeps the space of all")
    shared, alone = both(session, tenant, STATEMENTS[statement])
    assert alone
    assert shared == alone


def test_what_is_still_to_be_embedded(session: psycopg.Connection) -> None:
    """A tenant is told of its own chunks, the owner of the schema who is in none of all."""
    counts = """select name, embeddings, missing, bytes from retrieval.list_spaces(%(c)s)"""
    missing = "select * from retrieval.missing_embeddings(%(c)s, 's')"
    with session.transaction(force_rollback=True):
        for collection, tenants in (("shared", ["acme", "bolt", "bolt"]), ("acme alone", ["acme"])):
            for tenant in tenants:
                enter(session, tenant)
                session.execute(
                    "select retrieval.put_documents(%s, jsonb_build_array("
                    "jsonb_build_object('document_key', gen_random_uuid(), 'content', %s::text)))",
                    [collection, f"new {tenant}word"],
                )
        shared, alone = both(session, "acme", counts)
        assert shared == alone
        assert {each["missing"] for each in alone} == {1}
        shared, alone = (
            [{k: v for k, v in each.items() if k != "document_key"} for each in found]
            for found in both(session, "acme", missing.replace("*", "title, content, source"))
        )
        assert shared == alone
        assert len(alone) == 1
        jobs = "select * from retrieval.count_jobs(%(c)s) where space_name = 's'"
        for collection in ("shared", "acme alone"):
            session.execute("select retrieval.enqueue_missing(%s)", [collection])
        shared, alone = (
            [(each["pending"], each["failed"], each["per_minute"]) for each in found]
            for found in both(session, "acme", jobs)
        )
        assert shared == alone == [(1, 0, None)]
        enter(session, "")
        listed = rows(session, counts, {"c": "shared"})
        assert {each["missing"] for each in listed} == {3}
        assert min(each["bytes"] for each in listed) > 0
        assert rows(session, jobs, {"c": "shared"})[0]["pending"] == 3


def test_calibration_is_of_the_tenant_that_asked_for_it(session: psycopg.Connection) -> None:
    weights = f"""select leg ->> 'weight_from'
                  from jsonb_array_elements(retrieval.explain_search({HYBRID}) -> 'legs') leg"""
    given = {**ARGUMENTS, "c": "shared"}
    with session.transaction(force_rollback=True):
        enter(session, "acme")
        session.execute("select retrieval.calibrate('shared', 's', 1000)")
        assert "calibration" in column(session, weights, given)
        for other in ("bolt", ""):
            enter(session, other)
            assert "calibration" not in column(session, weights, given)


def test_statistics_of_every_tenant_stay_exact(session: psycopg.Connection) -> None:
    drift = "select * from retrieval.statistics_drift('shared')"
    searched = "select * from retrieval.keyword_search(%(c)s, %(words)s, max_results => 200)"
    with session.transaction(force_rollback=True):
        before = both(session, "acme", searched)
        session.execute(
            "select retrieval._fold_statistics(collection_id, 0) from retrieval.collections"
        )
        assert session.execute(drift).fetchall() == []
        assert both(session, "acme", searched) == before
        session.execute("select retrieval.refresh_statistics('shared')")
        assert session.execute(drift).fetchall() == []
        assert both(session, "acme", searched) == before
        enter(session, "bolt")
        session.execute("select retrieval.delete_documents('shared', array['01', '02'])")
        assert session.execute(drift).fetchall() == []
        assert both(session, "acme", searched) == before
        session.execute(
            "update retrieval.documents set tenant = 'other' where tenant = 'bolt'"
            " and document_key > '20'"
        )
        assert session.execute(drift).fetchall() == []
        moved = "select count(*) from retrieval.chunks where tenant = %s"
        assert value(session, moved, ["other"]) > 0
        assert value(session, moved, ["bolt"]) > 0
        session.execute(
            "update retrieval.chunk_statistics set chunk_count = 5 where tenant = 'other'"
        )
        assert {row.tenant for row in session.execute(drift)} == {"other"}
    enter(session, "")


@pytest.mark.parametrize(
    ("tenant", "new"), [("acme", False), ("tiny", True)], ids=["a third", "a few of many"]
)
@pytest.mark.parametrize("wanted", [1, 10, 500])
def test_as_many_as_asked_for(
    session: psycopg.Connection, tenant: str, new: bool, wanted: int
) -> None:
    """However small a share of the collection is a tenant's, and whatever the planner knows."""
    with session.transaction(force_rollback=True):
        if new:
            store(session, "shared", tenant, range(2))
        session.execute("analyze retrieval.chunks")
        enter(session, tenant)
        held = value(
            session,
            "select count(*) from retrieval.chunks where tenant = %s"
            " and collection_id = (select collection_id from retrieval.collections"
            " where name = 'shared')",
            [tenant],
        )
        for search, query, kind in (
            ("semantic_search", "dense", "halfvec"),
            ("sparse_search", "sparse", "sparsevec"),
        ):
            hits = session.execute(
                f"select * from retrieval.{search}("
                f"'shared', %({query})s::{kind}, max_results => %(n)s)",
                {**ARGUMENTS, "n": wanted},
            ).fetchall()
            assert len(hits) == min(wanted, held)
    enter(session, "")
