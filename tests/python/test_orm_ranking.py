"""retrieval.orm: fusion, late interaction and recommendations as selectables and expressions."""

import inspect
from collections.abc import Callable
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
    orm.fuse,
    orm.recommend,
    orm.recommend_documents,
    orm.more_like_this,
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
