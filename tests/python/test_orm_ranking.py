"""retrieval.orm: fusion, late interaction and recommendations as selectables and expressions."""

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import (
    Connection,
    Integer,
    String,
    column,
    func,
    literal,
    select,
    text,
    union_all,
    values,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval import Document, InvalidInput, MultiVectorHashingEmbedder, Retriever, orm

SEARCHES: list[Callable[..., TableValuedAlias]] = [
    orm.boost,
    orm.fuse,
    orm.recommend,
    orm.recommend_documents,
    orm.more_like_this,
    orm.diversify,
    orm.collapse_duplicates,
    orm.passages,
    orm.packed_tokens,
    orm.facets,
]
DOCUMENTS = [
    Document("jacket", "A warm jacket for the winter.", metadata={"price": 90}),
    Document("boots", "Warm boots for a cold winter.", metadata={"price": 120}),
    Document("fan", "A fan for the summer.", metadata={"price": 20}),
]
CATALOG = """
    select proargnames, pronargs, pronargdefaults, a.types
    from pg_proc p cross join lateral (
        select array_agg(format_type(t, null) order by n) as types
        from unnest(proallargtypes) with ordinality u(t, n)) a
    where pronamespace = 'retrieval'::regnamespace and proname = :name"""


@pytest.fixture
def shop(retriever: Retriever) -> Retriever:
    """The collection handbook of three documents."""
    retriever.ingest("handbook", DOCUMENTS)
    return retriever


def example(search: Callable[..., TableValuedAlias]) -> TableValuedAlias:
    """The selectable with its required arguments."""
    if search is orm.fuse:
        return search(["a"], [1], [0.5])
    if search in (orm.diversify, orm.collapse_duplicates):
        return search("handbook", [1], [0.5])
    if search is orm.boost:
        return search("handbook", [1], [0.5], [])
    return search("handbook", "jacket" if search is orm.more_like_this else [])


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.__name__)
def test_parameters_and_columns_are_those_of_the_function(
    connection: Connection, search: Callable[..., TableValuedAlias]
) -> None:
    row = connection.execute(text(CATALOG), {"name": search.__name__}).one()
    arguments, columns = row.proargnames[: row.pronargs], row.proargnames[row.pronargs :]
    parameters = inspect.signature(search).parameters
    assert list(parameters) == arguments
    optional = [name for name, each in parameters.items() if each.default is None]
    assert optional == arguments[len(arguments) - row.pronargdefaults :]
    declared = {each.name: each.type.compile(postgresql.dialect()) for each in example(search).c}
    assert list(declared) == columns
    names = {"FLOAT": "double precision", "VARCHAR": "text"}
    types = [names.get(kind, kind.lower()) for kind in declared.values()]
    actual = row.types[row.pronargs :]
    # an id has the type of the ids that are given
    assert types == [{"anyelement": "bigint"}.get(kind, kind) for kind in actual]


@pytest.mark.parametrize(
    "ids", [[3, 2**40], ["b", "a"], [UUID(int=2), UUID(int=1)]], ids=["bigint", "text", "uuid"]
)
def test_ids_of_every_kind_are_fused(connection: Connection, ids: list[Any]) -> None:
    fused = orm.fuse(["a", "a"], ids, [2, 1], fusion="relative")
    assert connection.scalars(select(fused.c.id).order_by(fused.c.score.desc())).all() == ids


def test_nothing_is_fused(connection: Connection) -> None:
    assert connection.execute(select(orm.fuse([], [], []).c.id)).all() == []


def test_a_search_and_an_own_table_are_fused(shop: Retriever) -> None:
    sold = values(column("sku", String), column("sold", Integer), name="sold").data(
        [("fan", 9), ("jacket", 5), ("boots", 1)]
    )
    hits = orm.keyword_search("handbook", "warm jacket")
    found = union_all(
        select(literal("keyword").label("leg"), hits.c.document_key.label("id"), hits.c.score),
        select(literal("sales"), sold.c.sku, sold.c.sold),
    ).subquery("found")
    lists = select(*(func.array_agg(each).label(f"{each.name}s") for each in found.c))
    arrays = lists.subquery("arrays")
    fused = orm.fuse(
        arrays.c.legs, arrays.c.ids, arrays.c.scores, fusion="relative", weights={"sales": 0.5}
    ).lateral("fused")
    statement = select(fused.c.id).join_from(arrays, fused, literal(True))
    with Session(shop.engine) as session:
        ranked = session.scalars(statement.order_by(fused.c.score.desc(), fused.c.id)).all()
    assert ranked == ["jacket", "fan", "boots"]


def test_chunks_and_documents_are_recommended(shop: Retriever) -> None:
    with Session(shop.engine) as session:
        chunks = dict(
            session.execute(
                select(orm.Document.document_key, orm.Chunk.chunk_id).join(orm.Document.chunks)
            ).all()
        )
        hits = orm.recommend("handbook", [chunks["jacket"]], [chunks["fan"]], max_results=1)
        assert session.scalars(select(hits.c.document_key)).all() == ["boots"]
        hits = orm.recommend("handbook", [chunks["jacket"]], strategy="best_score")
        assert session.scalars(select(hits.c.document_key)).all() == ["boots", "fan"]
        hits = orm.recommend_documents(
            "handbook", ["jacket"], metadata_filter={"price": {"$lt": 100}}
        )
        assert session.scalars(select(hits.c.document_key)).all() == ["fan"]


def test_what_is_like_a_document(shop: Retriever) -> None:
    with Session(shop.engine) as session:
        hits = orm.more_like_this("handbook", "jacket")
        assert session.scalars(select(hits.c.document_key)).all() == ["boots"]


def ranking_of(query: str) -> Any:
    """The ids and scores of a search as a row of two arrays, to be joined."""
    hits = orm.keyword_search("handbook", query)
    arrays = (func.array_agg(hits.c.chunk_id), func.array_agg(hits.c.score))
    return select(arrays[0].label("chunk_ids"), arrays[1].label("scores")).subquery("ranking")


def test_a_search_is_diversified(shop: Retriever) -> None:
    shop.ingest("handbook", [Document("second", DOCUMENTS[0].content)])
    ranking = ranking_of("warm winter")
    chosen = orm.diversify(
        "handbook", ranking.c.chunk_ids, ranking.c.scores, mmr_lambda=0.2, max_results=2
    ).lateral("chosen")
    hits = select(chosen.c.chunk_id).join_from(ranking, chosen, literal(True)).subquery()
    statement = (
        select(orm.Document.document_key)
        .join(orm.Document.chunks)
        .join(hits, hits.c.chunk_id == orm.Chunk.chunk_id)
    )
    with Session(shop.engine) as session:
        found = set(session.scalars(statement))
    assert "boots" in found and len(found & {"jacket", "second"}) == 1


def test_duplicates_of_a_search_are_collapsed(shop: Retriever) -> None:
    shop.ingest("handbook", [Document("second", DOCUMENTS[0].content)])
    ranking = ranking_of("warm")
    kept = orm.collapse_duplicates(
        "handbook", ranking.c.chunk_ids, ranking.c.scores, similarity=0.9
    ).lateral("kept")
    statement = select(func.cardinality(kept.c.duplicates)).join_from(ranking, kept, literal(True))
    with Session(shop.engine) as session:
        assert sorted(session.scalars(statement)) == [0, 1]


def test_passages_of_what_was_ingested(retriever: Retriever) -> None:
    """Their offsets are those of the stored text, and their context is of its headings."""
    parts = [f"## Part {n}\r\n\r\n{f'Größe {n} und so weiter. ' * 30}\r\n\r\n" for n in range(3)]
    retriever.ingest("handbook", [Document("guide.md", "# Guide\n\n" + "".join(parts))])
    with Session(retriever.engine) as session:
        document = session.scalars(select(orm.Document)).one()
        chunks = sorted(document.chunks, key=lambda chunk: chunk.position)
        inside = [n for n, each in enumerate(chunks) if each.context == "Guide > Part 0"]
        heading = chunks[inside[-1] + 1]
        assert (heading.content, heading.context) == ("## Part 1", "Guide")
        for after, context in ((0, "Guide > Part 0"), (1, "Guide"), (99, "Guide")):
            passages = orm.passages("handbook", [chunks[n].chunk_id for n in inside], after=after)
            (row,) = session.execute(select(passages)).all()
            assert (row.first_position, row.context, row.score) == (inside[0], context, None)
            assert row.content == document.content[row.start_offset : row.end_offset]
            assert row.content.startswith("Größe 0 und so weiter. ")
            assert row.content.endswith(chunks[row.last_position].content)
        passages = orm.passages("handbook", [chunks[0].chunk_id], [0.5], before=9, after=99)
        (whole,) = session.execute(select(passages)).all()
        assert (whole.content, whole.context) == (document.content.strip(), "")
        assert (whole.score, whole.hit_ids) == (0.5, [chunks[0].chunk_id])


def test_a_search_is_boosted(shop: Retriever) -> None:
    hits = orm.keyword_search("handbook", "warm winter summer")
    lists = select(
        func.array_agg(hits.c.chunk_id).label("chunk_ids"),
        func.array_agg(hits.c.score).label("scores"),
    ).subquery("lists")
    cheap = {"field": "price", "decay": "linear", "origin": 0, "scale": 50}
    boosted = orm.boost("handbook", lists.c.chunk_ids, lists.c.scores, cheap).lateral("boosted")
    statement = (
        select(orm.Document.document_key, boosted.c.score, boosted.c.boosted_score)
        .join_from(lists, boosted, literal(True))
        .join(orm.Chunk, orm.Chunk.chunk_id == boosted.c.chunk_id)
        .join(orm.Chunk.document)
        .order_by(boosted.c.boosted_score.desc(), boosted.c.chunk_id)
    )
    with Session(shop.engine) as session:
        found = session.execute(statement).all()
    factors = {"fan": 0.8, "jacket": 0.1, "boots": 0}
    assert [row.document_key for row in found] == list(factors)
    assert [row.boosted_score / row.score for row in found] == pytest.approx([*factors.values()])


def test_recency_is_seen_from_a_time(retriever: Retriever) -> None:
    retriever.ingest("handbook", [Document("fan", "A fan.", metadata={"at": "2025-12-31T12:00"})])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with Session(retriever.engine) as session:
        ids = session.scalars(select(orm.Chunk.chunk_id)).all()
        recent = {"field": "at", "decay": "linear", "scale": "1 day"}
        boosted = orm.boost("handbook", ids, [1.0], [recent], reference_time=now)
        assert session.scalars(select(boosted.c.boosted_score)).all() == [0.75]


def test_what_is_found_is_counted(shop: Retriever) -> None:
    facets = orm.facets("handbook", ["price", "season"], "warm", max_values=1)
    counts = select(facets.c.key, facets.c.value, facets.c.documents, facets.c.chunks)
    found = orm.keyword_search("handbook", "warm cold", metadata_filter={"price": {"$gt": 100}})
    chunk_ids = func.array(select(found.c.chunk_id).scalar_subquery())
    of_those = orm.facets("handbook", ["price"], chunk_ids=chunk_ids)
    with Session(shop.engine) as session:
        assert session.execute(counts).all() == [("price", 90, 1, 1)]
        assert session.scalars(select(of_those.c.value)).all() == [120]
        assert session.scalar(select(orm.count_matches("handbook", "warm"))) == 2
        condition = {"price": {"$gt": 100}}
        counted = orm.count_matches("handbook", "warm", metadata_filter=condition, exact=True)
        assert session.scalar(select(counted + 1)) == 2


def test_a_count_takes_what_the_function_takes(connection: Connection) -> None:
    row = connection.execute(
        text(
            "select proargnames, pronargdefaults from pg_proc "
            "where pronamespace = 'retrieval'::regnamespace and proname = 'count_matches'"
        )
    ).one()
    parameters = inspect.signature(orm.count_matches).parameters
    assert list(parameters) == row.proargnames
    optional = [name for name, each in parameters.items() if each.default is None]
    assert optional == row.proargnames[-row.pronargdefaults :]


def test_an_argument_that_is_not_json() -> None:
    with pytest.raises(InvalidInput, match="boosts is not JSON"):
        orm.boost("c", [], [], {"field": "at", "origin": datetime.now(UTC)})
    with pytest.raises(InvalidInput, match="weights is not JSON"):
        orm.fuse([], [], [], weights={"a": float("nan")})


def test_candidates_are_reranked(shop: Retriever) -> None:
    embedder = MultiVectorHashingEmbedder()
    shop.spaces.create("handbook", embedder, space="tokens")
    shop.spaces.fill("handbook", "tokens")
    query = embedder.embed_query("warm jacket")
    score = orm.max_sim(query, orm.TokenEmbeddings.embeddings).label("score")
    statement = (
        select(orm.Document.document_key, score)
        .join(orm.Document.chunks)
        .join(orm.TokenEmbeddings, orm.TokenEmbeddings.chunk_id == orm.Chunk.chunk_id)
        .order_by(score.desc())
    )
    with Session(shop.engine) as session:
        found = session.execute(statement).all()
        tokens = np.asarray(query)
        for row in found:
            (content,) = (each.content for each in DOCUMENTS if each.key == row.document_key)
            (embedded,) = embedder.embed_documents([content])
            expected = (tokens @ np.asarray(embedded).T).max(axis=1).sum()
            assert row.score == pytest.approx(expected, abs=1e-2)
    assert found[0].document_key == "jacket"
