"""retrieval.orm: selectables have the names of the SQL functions, and join with any table."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, String, cast, literal, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval import AsyncRetriever, Document, HashingEmbedder, InvalidInput, Retriever, orm
from retrieval.embedding import MultiVectorHashingEmbedder, SparseHashingEmbedder

SEARCHES: list[Callable[..., TableValuedAlias]] = [
    orm.keyword_search,
    orm.semantic_search,
    orm.hybrid_search,
    orm.document_search,
    orm.sparse_search,
    orm.late_interaction_search,
    orm.list_spaces,
    orm.export_embeddings,
    orm.export_sparse_embeddings,
    orm.export_token_embeddings,
    orm.neighbouring_chunks,
]
DOCUMENTS = [
    Document("jacket", "A warm jacket for the winter.", metadata={"price": 90}),
    Document("boots", "Warm boots.", metadata={"price": 120}),
    Document("fan", "A fan for the summer."),
]


def catalog(connection: Connection, name: str) -> tuple[list[str], list[str], int]:
    """Input arguments, result columns and the number of defaults of one SQL function."""
    row = connection.execute(
        text(
            "select proargnames, proargmodes::text[], pronargs, pronargdefaults, prorettype "
            "from pg_proc where pronamespace = 'retrieval'::regnamespace and proname = :name"
        ),
        {"name": name},
    ).one()
    columns = row.proargnames[row.pronargs :]
    if not columns:  # returns rows of a table
        columns = connection.scalars(
            text(
                "select attname from pg_attribute join pg_class c on c.oid = attrelid "
                "where c.reltype = :type and attnum > 0 and not attisdropped order by attnum"
            ),
            {"type": row.prorettype},
        ).all()
    return row.proargnames[: row.pronargs], list(columns), row.pronargdefaults


def example(search: Callable[..., TableValuedAlias]) -> TableValuedAlias:
    """The selectable with its required arguments."""
    if search is orm.neighbouring_chunks:
        return search(1)
    if search is orm.list_spaces or search.__name__.startswith("export"):
        return search("c")
    if search is orm.import_embeddings:
        return search("c", None, "hotels", "id", "embedding")
    if search is orm.sparse_search:
        return search("c", SparseHashingEmbedder().embed_query("warm"))
    if search is orm.late_interaction_search:
        return search("c", MultiVectorHashingEmbedder().embed_query("warm"))
    vector = HashingEmbedder().embed_query("warm")
    return search("c", vector if search is orm.semantic_search else "warm")


@pytest.mark.parametrize(
    "search", [*SEARCHES, orm.import_embeddings], ids=lambda search: search.__name__
)
def test_parameters_and_columns_are_those_of_the_function(
    connection: Connection, search: Callable[..., TableValuedAlias]
) -> None:
    arguments, columns, defaults = catalog(connection, search.__name__)
    parameters = inspect.signature(search).parameters
    assert list(parameters) == arguments
    optional = [name for name, each in parameters.items() if each.default is None]
    assert optional == arguments[len(arguments) - defaults :]
    assert [column.name for column in example(search).c] == columns


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.__name__)
def test_results_have_the_declared_types(
    connection: Connection, search: Callable[..., TableValuedAlias]
) -> None:
    """What PostgreSQL calls a column's type is what SQLAlchemy calls it."""
    connection.execute(text("select retrieval.create_collection('c')"))
    for kind, dimensions in {"dense": 64, "sparse": 30522, "multivector": 64}.items():
        create = "select retrieval.create_space('c', :kind, 'm', :dimensions, kind => :kind)"
        connection.execute(text(create), {"kind": kind, "dimensions": dimensions})
        connection.execute(text("select retrieval.activate_space('c', :kind)"), {"kind": kind})
    columns = list(example(search).c)
    connection.execute(select(*columns))
    names = {"FLOAT": "double precision", "VARCHAR": "text"}
    declared = {each.name: each.type.compile(postgresql.dialect()) for each in columns}
    actual = result_types(connection, search.__name__)
    assert {name: names.get(kind, kind.lower()) for name, kind in declared.items()} == actual


def result_types(connection: Connection, name: str) -> dict[str, str]:
    """Result columns of a function with PostgreSQL's names of their types."""
    if name == "neighbouring_chunks":
        statement = (
            "select attname, format_type(atttypid, null) from pg_attribute "
            "where attrelid = 'retrieval.chunks'::regclass and attnum > 0"
        )
    else:
        statement = (
            "select a.name, format_type(a.type, null) from pg_proc p, "
            "unnest(proargnames, proallargtypes, proargmodes) a(name, type, mode) "
            f"where p.oid = 'retrieval.{name}'::regproc and a.mode = 't'"
        )
    return {row[0]: row[1] for row in connection.execute(text(statement))}


def test_the_statement_can_be_read() -> None:
    hits = orm.keyword_search("shop", "warm jacket", max_results=5)
    compiled = select(hits.c.document_key, hits.c.score).compile(
        dialect=postgresql.psycopg.dialect(), compile_kwargs={"literal_binds": True}
    )
    assert " ".join(str(compiled).split()) == (
        "SELECT hits.document_key, hits.score FROM retrieval.keyword_search("
        "collection => 'shop', query_text => 'warm jacket', max_results => 5) AS hits"
    )


def test_equal_searches_share_a_cached_statement() -> None:
    def key(search: TableValuedAlias) -> Any:
        generated = select(search.c.score)._generate_cache_key()
        assert generated is not None
        return generated.key

    first = orm.keyword_search("c", "one")
    assert key(first) == key(orm.keyword_search("c", "two"))
    assert key(first) != key(orm.keyword_search("c", "two", max_results=1))
    assert key(first) != key(orm.keyword_search("c", "two", keyword_operator="and"))
    limited = orm.keyword_search("c", "two", max_results=1)
    assert key(limited) != key(orm.keyword_search("c", "two", keyword_operator="and"))


def test_an_argument_that_is_not_json() -> None:
    with pytest.raises(InvalidInput, match="weights is not JSON"):
        orm.hybrid_search("c", "q", weights={"keyword": object()})  # type: ignore[dict-item]


# Beside an application's own tables


class Base(DeclarativeBase):
    """The application's own."""


class Product(Base):
    """A table of the application."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(primary_key=True)
    stock: Mapped[int]


PRODUCTS = [
    Product(sku="jacket", stock=3),
    Product(sku="boots", stock=0),
    Product(sku="fan", stock=9),
]


@pytest.fixture
def shop(retriever: Retriever) -> Retriever:
    """The collection handbook with products of the same keys in a table of their own."""
    retriever.ingest("handbook", DOCUMENTS)
    Base.metadata.create_all(retriever.engine)
    with Session(retriever.engine) as session:
        session.add_all(Product(sku=each.sku, stock=each.stock) for each in PRODUCTS)
        session.commit()
    return retriever


def in_stock(query: str) -> Any:
    """Products in stock with the scores of a search, in one statement."""
    vector = HashingEmbedder().embed_query(query)
    hits = orm.hybrid_search("handbook", query, vector, max_results=3)
    joined = select(Product, hits.c.score).join(hits, hits.c.document_key == Product.sku)
    return joined.where(Product.stock > 0).order_by(hits.c.score.desc())


def test_hits_join_the_applications_tables(shop: Retriever) -> None:
    with Session(shop.engine) as session:
        found = session.execute(in_stock("warm jacket")).all()
    assert [row.Product.sku for row in found] == ["jacket", "fan"]
    assert found[0].score > found[1].score


def test_hits_join_in_asynchronous_code_too(shop: Retriever, database_url: str) -> None:
    async def ask() -> list[str]:
        async with (
            await AsyncRetriever.open(database_url) as retriever,
            AsyncSession(retriever.engine) as session,
        ):
            found = await session.execute(in_stock("warm jacket"))
            return [row.Product.sku for row in found]

    assert asyncio.run(ask()) == ["jacket", "fan"]


def test_each_row_of_a_table_can_ask(shop: Retriever) -> None:
    """Arguments may be columns: a lateral join."""
    hits = orm.keyword_search("handbook", cast(Product.sku, String), max_results=1).lateral("hits")
    statement = select(Product.sku, hits.c.document_key).join(hits, literal(True))
    with Session(shop.engine) as session:
        found = {tuple(row) for row in session.execute(statement)}
    assert found == {("jacket", "jacket"), ("boots", "boots"), ("fan", "fan")}


def test_two_searches_in_one_statement(shop: Retriever) -> None:
    warm = orm.keyword_search("handbook", "warm").alias("warm")
    winter = orm.keyword_search("handbook", "winter").alias("winter")
    both = select(warm.c.document_key).join(winter, winter.c.chunk_id == warm.c.chunk_id)
    with Session(shop.engine) as session:
        assert session.scalars(both).all() == ["jacket"]


def test_mapped_classes_read_what_is_stored(shop: Retriever) -> None:
    with Session(shop.engine) as session:
        found = select(orm.Document).where(orm.Document.document_key == "jacket")
        document = session.scalars(found).one()
        assert document.collection.name == "handbook"
        assert document.document_metadata == {"price": 90}
        (chunk,) = document.chunks
        assert chunk.document is document and chunk.content == DOCUMENTS[0].content
        embedding = session.get(
            orm.Embedding, (chunk.chunk_id, document.collection.spaces[0].space_id)
        )
        assert embedding is not None and len(embedding.embedding) == 64
        hits = orm.neighbouring_chunks(chunk.chunk_id)
        assert session.execute(select(hits.c.content, hits.c.metadata)).one() == (
            chunk.content,
            {"price": 90},
        )


def test_mapped_classes_read_embeddings_of_every_kind(shop: Retriever) -> None:
    kinds = {"sparse": SparseHashingEmbedder(), "multivector": MultiVectorHashingEmbedder()}
    for kind, embedder in kinds.items():
        shop.spaces.create("handbook", embedder, space=kind)
        shop.spaces.fill("handbook", kind)
    with Session(shop.engine) as session:
        chunk = session.scalars(select(orm.Chunk).order_by(orm.Chunk.chunk_id).limit(1)).one()
        text = chunk.content
        sparse = select(orm.SparseEmbedding).where(orm.SparseEmbedding.chunk_id == chunk.chunk_id)
        expected = kinds["sparse"].embed_query(text)
        assert session.scalars(sparse).one().embedding.indices() == expected.indices()
        tokens = select(orm.TokenEmbeddings).where(orm.TokenEmbeddings.chunk_id == chunk.chunk_id)
        stored = session.scalars(tokens).one().embeddings
        assert np.allclose(stored, kinds["multivector"].embed_query(text), atol=1e-3)
        session.execute(
            orm.set_query_adapter_statement("handbook", "hashing", np.eye(64), np.zeros(64), {})
        )
        adapter = session.scalars(select(orm.QueryAdapter)).one()
        assert np.array_equal(adapter.matrix, np.eye(64))
        cached = session.scalars(select(orm.CachedEmbedding)).all()
        assert {each.token_embeddings is not None for each in cached} == {True, False}
