"""What is stored, as selectables: neighbours of a chunk, and the spaces of a collection."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Integer, Text, column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval.orm.functions import call
from retrieval.orm.models import Base, Chunk, Space


def _columns_of(mapped: type[Base]) -> list[ColumnClause[Any]]:
    return [column(each.name, each.type) for each in mapped.__table__.columns]


def neighbouring_chunks(
    chunk_id: Any, *, before: int | None = None, after: int | None = None
) -> TableValuedAlias:
    """A chunk and those around it, as a selectable with the columns of `Chunk`."""
    called = call("neighbouring_chunks", chunk_id=chunk_id, before=before, after=after)
    return called.table_valued(*_columns_of(Chunk), name="neighbours")


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
