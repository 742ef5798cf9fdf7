"""What is stored, as selectables: neighbours of a chunk, spaces, and their embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

from pgvector.sqlalchemy import HALFVEC, SPARSEVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Integer,
    LargeBinary,
    Select,
    Text,
    column,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval.orm.functions import call
from retrieval.orm.models import Base, Chunk, Space
from retrieval.orm.vector_array import VectorArray


def _columns_of(mapped: type[Base]) -> list[ColumnClause[Any]]:
    return [column(each.name, each.type) for each in mapped.__table__.columns]


def neighbouring_chunks(
    chunk_id: Any, *, before: int | None = None, after: int | None = None
) -> TableValuedAlias:
    """A chunk and those around it, as a selectable with the columns of `Chunk`."""
    called = call("neighbouring_chunks", chunk_id=chunk_id, before=before, after=after)
    return called.table_valued(*_columns_of(Chunk), name="neighbours")


def highlights(
    collection: str,
    contents: Sequence[str],
    query_text: str,
    *,
    start_mark: str | None = None,
    stop_mark: str | None = None,
    max_fragments: int | None = None,
    fragment_length: int | None = None,
    escape_html: bool | None = None,
) -> Select[Any]:
    """Mark the words of a query in texts; a row for each, in their order."""
    options = {
        "start_mark": start_mark,
        "stop_mark": stop_mark,
        "max_fragments": max_fragments,
        "fragment_length": fragment_length,
        "escape_html": escape_html,
    }
    texts = func.unnest(literal(list(contents), ARRAY(Text)))
    columns = column("content", Text)
    given = texts.table_valued(columns, with_ordinality="number", name="given").render_derived()
    marked = call(
        "highlight",
        collection=collection,
        content=given.c.content,
        query_text=query_text,
        **options,
    )
    return select(type_coerce(marked, Text())).select_from(given).order_by(given.c.number)


def written_spaces(collection: str) -> TableValuedAlias:
    """The spaces that need an embedding of every new chunk, with the columns of `Space`.

    Their rows are locked against a change of state until the transaction ends.
    """
    return call("written_spaces", collection=collection).table_valued(
        *_columns_of(Space), name="spaces"
    )


def list_spaces(collection: str) -> TableValuedAlias:
    """The spaces of a collection, as a selectable with more columns than `Space` has."""
    columns: list[ColumnClause[Any]] = [
        column("space_id", BigInteger),
        column("name", Text),
        column("kind", Text),
        column("modality", Text),
        column("state", Text),
        column("model", Text),
        column("revision", Text),
        column("dimensions", Integer),
        column("signature", JSONB),
        column("metric", Text),
        column("index_method", Text),
        column("quantization", Text),
        column("index_options", JSONB),
        column("search_options", JSONB),
        column("alignment", JSONB),
        column("has_query_adapter", Boolean),
        column("embeddings", BigInteger),
        column("missing", BigInteger),
        column("indexed", Boolean),
        column("bytes", BigInteger),
        column("created_at", DateTime(timezone=True)),
        column("activated_at", DateTime(timezone=True)),
    ]
    return call("list_spaces", collection=collection).table_valued(*columns, name="spaces")


def import_embeddings(
    collection: str,
    space: str | None,
    table_name: str,
    key: str,
    embedding: str,
    *,
    chunk_position: str | None = None,
    text_hash: str | None = None,
    signature: Mapping[str, Any] | None = None,
) -> TableValuedAlias:
    """Store the embeddings that a table or view holds in a space, and say how many.

    Selecting from it is what stores them.
    """
    columns: list[ColumnClause[Any]] = [
        column("imported", BigInteger),
        column("unknown_keys", BigInteger),
        column("stale", BigInteger),
        column("nulls", BigInteger),
        column("missing", BigInteger),
        column("unknown_examples", ARRAY(Text)),
    ]
    called = call(
        "import_embeddings",
        collection=collection,
        space=literal(space, Text()),  # null is the active one; there is no default
        table_name=table_name,
        key=key,
        embedding=embedding,
        chunk_position=chunk_position,
        text_hash=text_hash,
        signature=signature,
    )
    return called.table_valued(*columns, name="imported")


def export_embeddings(collection: str, space: str | None = None) -> TableValuedAlias:
    """The embeddings of a dense space, with what finds their chunks again."""
    return _exported("export_embeddings", collection, space, column("embedding", HALFVEC))


def export_sparse_embeddings(collection: str, space: str | None = None) -> TableValuedAlias:
    """The embeddings of a sparse space, with what finds their chunks again."""
    return _exported("export_sparse_embeddings", collection, space, column("embedding", SPARSEVEC))


def export_token_embeddings(collection: str, space: str | None = None) -> TableValuedAlias:
    """The embeddings of a multivector space, with what finds their chunks again."""
    embeddings = column("embeddings", VectorArray(HALFVEC))
    return _exported("export_token_embeddings", collection, space, embeddings)


def _exported(
    function: str, collection: str, space: str | None, embedding: ColumnClause[Any]
) -> TableValuedAlias:
    columns: list[ColumnClause[Any]] = [
        column("document_key", Text),
        column("position", Integer),
        column("text_hash", LargeBinary),
        embedding,
    ]
    called = call(function, collection=collection, space=space)
    return called.table_valued(*columns, name="exported")
