"""retrieval.orm: hybrid search with every kind of query, its documents and its explanation."""

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from every_kind import SMALL, SPARSE, TOKENS, add_spaces
from pgvector import HalfVector, SparseVector
from scipy.sparse import coo_array
from sqlalchemy import Connection, Select, func, literal, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from retrieval import AsyncRetriever, Document, HashingEmbedder, InvalidInput, Retriever, orm

DOCUMENTS = [
    Document("jacket", "A warm jacket for the winter.", metadata={"price": 90}),
    Document("boots", "Warm boots.", metadata={"price": 120}),
    Document("fan", "A fan for the summer."),
]
QUERY = "warm jacket"
DENSE = HashingEmbedder()


class Base(DeclarativeBase):
    """The application's own."""


class Product(Base):
    """A table of the application."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(primary_key=True)
    stock: Mapped[int]


@pytest.fixture(scope="module")
def shop(module_database_url: str) -> Iterator[Retriever]:
    """A collection with spaces of every kind, and a table beside it, which are only read."""
    with Retriever.open(module_database_url, embedder=DENSE) as opened:
        opened.create_collection("handbook")
        opened.ingest("handbook", DOCUMENTS)
        add_spaces(opened)
        Base.metadata.create_all(opened.engine)
        with Session(opened.engine) as session:
            session.add_all([Product(sku="jacket", stock=3), Product(sku="boots", stock=0)])
            session.commit()
        yield opened


@pytest.fixture
def session(shop: Retriever) -> Iterator[Session]:
    with Session(shop.engine) as opened:
        yield opened


# The statement


@pytest.mark.parametrize(
    "function", [orm.explain_search, orm.set_ranking, orm.calibrate, orm.max_sim]
)
def test_parameters_are_those_of_the_function(
    connection: Connection, function: Callable[..., Any]
) -> None:
    statement = (
        "select proargnames as names, pronargs as given, pronargdefaults as defaults "
        "from pg_proc where oid = to_regproc('retrieval.' || :name)"
    )
    row = connection.execute(text(statement), {"name": function.__name__}).one()
    parameters = inspect.signature(function).parameters
    assert list(parameters) == row.names[: row.given]
    optional = [name for name, each in parameters.items() if each.default is None]
    assert optional == row.names[row.given - row.defaults : row.given]


def test_the_statement_can_be_read() -> None:
    hits = orm.hybrid_search(
        "shop",
        "warm jacket",
        [0.5, 0.25],
        metadata_filter={"price": {"$lt": 100}},
        max_results=5,
        weights={"semantic": 2},
        query_embeddings={"small": np.array([0.5, 1])},
        boosts={"field": "team", "values": {"a": 2}},
        mmr_lambda=0.7,
    )
    statement = select(hits.c.document_key, hits.c.score).order_by(hits.c.score.desc())
    compiled = statement.compile(dialect=postgresql.psycopg.dialect())
    assert " ".join(str(compiled).split()) == (
        "SELECT hits.document_key, hits.score FROM retrieval.hybrid_search("
        "collection => %(param_1)s::VARCHAR, query_text => %(param_2)s::VARCHAR, "
        "query_embedding => %(param_3)s, metadata_filter => %(param_4)s::JSONB, "
        "max_results => %(param_5)s::INTEGER, weights => %(param_6)s::JSONB, "
        "query_embeddings => %(param_7)s::JSONB, boosts => %(param_8)s::JSONB, "
        "mmr_lambda => %(param_9)s) AS hits ORDER BY hits.score DESC"
    )
    assert list(compiled.params.values()) == [
        "shop",
        "warm jacket",
        [0.5, 0.25],
        {"price": {"$lt": 100}},
        5,
        {"semantic": 2},
        {"small": [0.5, 1.0]},
        {"field": "team", "values": {"a": 2}},
        0.7,
    ]


def test_equal_searches_share_a_cached_statement() -> None:
    def key(**options: Any) -> Any:
        generated = select(orm.hybrid_search("c", "q", **options).c.score)._generate_cache_key()
        assert generated is not None
        return generated.key

    tokens = TOKENS.embed_query(QUERY)
    assert key(query_tokens=tokens) == key(query_tokens=tokens[:1])
    assert key(query_embeddings={"a": [1]}) == key(query_embeddings={"b": [2]})
    assert key(query_tokens=tokens) != key(query_embeddings={"a": [1]})


# Embeddings by name of space


@pytest.mark.parametrize(
    ("embedding", "expected"),
    [
        ([0.5, 1], [0.5, 1]),
        ((0.5, np.float32(1)), [0.5, 1]),
        (np.array([0.5, 1], dtype=np.float32), [0.5, 1]),
        (HalfVector([0.5, 1]), [0.5, 1]),
        (SparseVector({1: 0.5}, 8), "{2:0.5}/8"),
        (coo_array(([0.5], ([0], [1])), shape=(1, 8)), "{2:0.5}/8"),
        ("{2:0.5}/8", "{2:0.5}/8"),
        (np.eye(2), [[1, 0], [0, 1]]),
        ([np.array([1, 0]), [0, 1]], [[1, 0], [0, 1]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_embedding_as_json(embedding: Any, expected: Any) -> None:
    called = orm.hybrid_search("c", "q", query_embeddings={"s": embedding})
    (sent,) = [
        value for value in select(called).compile().params.values() if isinstance(value, dict)
    ]
    assert json.loads(json.dumps(sent)) == {"s": expected}


def test_an_embedding_that_is_no_json() -> None:
    with pytest.raises(InvalidInput, match="query_embeddings is not JSON"):
        orm.hybrid_search("c", "q", query_embeddings={"s": [float("nan")]})


@pytest.mark.parametrize(
    ("space", "embedding"),
    [
        ("hashing", DENSE.embed_query(QUERY)),
        ("small", SMALL.embed_query(QUERY)),
        ("words", SPARSE.embed_query(QUERY)),
        ("tokens", TOKENS.embed_query(QUERY)),
    ],
)
def test_a_space_by_name_finds_what_its_own_search_does(
    session: Session, space: str, embedding: Any
) -> None:
    named = orm.hybrid_search("handbook", query_embeddings={space: embedding})
    found = session.execute(select(named.c.document_key, named.c.contributions)).all()
    own = {"words": orm.sparse_search, "tokens": orm.late_interaction_search}
    hits = own.get(space, orm.semantic_search)("handbook", embedding, space=space)
    expected = session.execute(select(hits.c.document_key, hits.c.score)).all()
    # a float4 went through JSON
    assert [row.document_key for row in found] == [row.document_key for row in expected]
    scores = [row.contributions[space]["score"] for row in found]
    assert scores == pytest.approx([row.score for row in expected], abs=1e-6)


# Every leg at once


def every_leg(**options: Any) -> dict[str, Any]:
    """Arguments for all the legs that there are."""
    return {
        "query_text": QUERY,
        "query_embedding": DENSE.embed_query(QUERY),
        "query_sparse": SPARSE.embed_query(QUERY),
        "query_tokens": TOKENS.embed_query(QUERY),
        "query_embeddings": {"small": SMALL.embed_query(QUERY)},
        "leg_signatures": {"sparse": SPARSE.signature.to_json()},
        **options,
    }


def test_every_leg_has_its_rank_score_and_contribution(session: Session) -> None:
    hits = orm.hybrid_search("handbook", **every_leg(fusion="rrf", weights={"small": 3}))
    best = session.execute(select(hits).order_by(hits.c.score.desc())).first()
    assert best is not None and best.document_key == "jacket"
    assert best.contributions.keys() == {*orm.LEGS, "small"}
    for leg in orm.LEGS:
        contribution = best.contributions[leg]
        assert getattr(best, f"{leg}_rank") == contribution["rank"] == 1
        assert getattr(best, f"{leg}_score") == contribution["score"]
    parts = [each["contribution"] for each in best.contributions.values()]
    assert best.score == pytest.approx(sum(parts)) == pytest.approx(7 / 61)


def test_documents_and_the_explanation_take_the_same(session: Session) -> None:
    documents = orm.document_search("handbook", **every_leg(aggregation="sum", max_results=2))
    found = session.execute(select(documents).order_by(documents.c.score.desc())).all()
    assert [row.document_key for row in found] == ["jacket", "boots"]
    assert found[0].chunk_ids == [found[0].chunk_id]
    explained = session.scalar(select(orm.explain_search("handbook", **every_leg(mmr_lambda=0.5))))
    assert explained is not None
    assert [leg["leg"] for leg in explained["legs"]] == [
        "keyword",
        "semantic",
        "sparse",
        "small",
        "late_interaction",
    ]
    assert explained["hits"][0]["document_key"] == "jacket"


def test_a_signature_of_another_model_is_refused(session: Session) -> None:
    hits = orm.hybrid_search(
        "handbook",
        query_tokens=TOKENS.embed_query(QUERY),
        leg_signatures={"late_interaction": {"model": "other"}},
    )
    with pytest.raises(DBAPIError, match="tokens"):
        session.execute(select(hits))


# Ranking of a collection


def test_ranking_is_set_and_calibrated(shop: Retriever) -> None:
    with Session(shop.engine) as session:  # rolled back
        session.execute(select(orm.set_ranking("handbook", fusion="rrf", weights={"semantic": 2})))
        (ranking,) = session.scalars(select(orm.Collection.settings)).all()
        assert ranking["ranking"] == {"fusion": "rrf", "weights": {"semantic": 2}}
        calibrated = orm.calibrate("handbook", "hashing", sample=10, store=False)
        row = session.execute(select(calibrated)).one()
        assert (row.space_name, row.sampled, row.weight) == ("hashing", 0, None)


@pytest.mark.parametrize("metric", [None, "inner_product", "cosine"])
def test_max_sim_has_a_metric(connection: Connection, metric: str | None) -> None:
    query, document = np.array([[2, 0], [0, 4.0]]), np.array([[0, 8.0], [3, 4]])
    expected = 2 * 3 + 4 * 8 if metric != "cosine" else 3 / 5 + 1
    score = connection.scalar(select(orm.max_sim(query, document, metric=metric)))
    assert score == pytest.approx(expected)


# Beside an application's own tables


def passages_in_stock() -> Select[Any]:
    """What is in stock, with its document's score and the passages of its hits."""
    vector = DENSE.embed_query(QUERY)
    hits = orm.hybrid_search("handbook", QUERY, vector, max_results=5)
    documents = orm.document_search("handbook", QUERY, vector, aggregation="sum")
    found = (
        select(
            hits.c.document_id,
            func.array_agg(hits.c.chunk_id).label("chunk_ids"),
            func.array_agg(hits.c.score).label("scores"),
        )
        .group_by(hits.c.document_id)
        .subquery("found")
    )
    passages = orm.passages("handbook", found.c.chunk_ids, found.c.scores, after=1).lateral()
    return (
        select(Product, documents.c.score, passages.c.content)
        .join(documents, documents.c.document_key == Product.sku)
        .join(found, found.c.document_id == documents.c.document_id)
        .join(passages, literal(True))
        .where(Product.stock > 0)
        .order_by(documents.c.score.desc())
    )


def test_searches_join_in_one_statement(session: Session) -> None:
    (row,) = session.execute(passages_in_stock()).all()
    assert (row.Product.sku, row.content) == ("jacket", DOCUMENTS[0].content)
    assert row.score > 0


def test_searches_join_in_asynchronous_code_too(shop: Retriever) -> None:
    async def ask() -> list[tuple[str, str]]:
        url = shop.engine.url.render_as_string(hide_password=False)
        async with (
            await AsyncRetriever.open(url) as retriever,
            AsyncSession(retriever.engine) as session,
        ):
            found = await session.execute(passages_in_stock())
            return [(row.Product.sku, row.content) for row in found]

    assert asyncio.run(ask()) == [("jacket", DOCUMENTS[0].content)]
