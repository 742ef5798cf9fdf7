"""What is stored, read from the tables themselves: the one module that selects from them.

Lists are in the order of a key and go on after the last one that was seen, so that a page costs the
same wherever it is, and what is added or deleted meanwhile neither repeats nor hides another.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, Text, cast, func, literal_column, select, tuple_

from retrieval import orm
from retrieval.errors import InvalidInput, NotFound
from retrieval.steps import Query, Steps
from retrieval.stored.results import DocumentSummary, StoredChunk, StoredDocument

MOST_RESULTS = 10_000

# changes with every write of the row, whoever writes it
_ROW_VERSION = cast(literal_column("documents.xmin"), Text).label("row_version")


def documents_steps(
    collection: str,
    metadata_filter: Mapping[str, Any] | None,
    after: str | None,
    max_results: int,
) -> Steps[list[DocumentSummary]]:
    """Documents by key."""
    _check_count(max_results)

    def run(connection: Connection) -> list[DocumentSummary]:
        owner = _owner(connection, collection)
        statement = _documents_statement(owner, metadata_filter, after, max_results)
        return [DocumentSummary(**row._mapping) for row in connection.execute(statement)]

    found: list[DocumentSummary] = yield Query(run)
    return found


def document_steps(collection: str, document_key: str) -> Steps[StoredDocument]:
    """One document, NotFound without it."""
    read = partial(stored_document, collection=collection, document_key=document_key)
    document = yield Query(read)
    if document is None:
        raise NotFound(f"document {document_key} does not exist in collection {collection}")
    found: StoredDocument = document
    return found


def stored_document(
    connection: Connection, collection: str, document_key: str, *, lock: bool = False
) -> StoredDocument | None:
    """A document as it is now; with `lock`, and until the transaction ends."""
    owner = _owner(connection, collection)
    statement = (
        select(*_document_columns(), orm.Document.content_hash, orm.Document.document_id)
        .add_columns(_ROW_VERSION)
        .where(
            orm.Document.collection_id == owner,
            orm.Document.document_key == document_key,
        )
    )
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        return None
    columns = {each.name: row._mapping[each.name] for each in _document_columns()}
    return StoredDocument(**columns, version=_version(row))


def chunks_steps(
    collection: str,
    document_key: str | None,
    after: tuple[int, int] | None,
    max_results: int,
) -> Steps[list[StoredChunk]]:
    """Chunks by document and position."""
    _check_count(max_results)

    def run(connection: Connection) -> list[StoredChunk]:
        owner = _owner(connection, collection)
        statement = _chunks_statement(owner, after, max_results)
        if document_key is not None:
            document = _document_id(connection, owner, document_key)
            if document is None:
                named = f"document {document_key} does not exist in collection {collection}"
                raise NotFound(named)
            statement = statement.where(orm.Chunk.document_id == document)
        return [StoredChunk(**row._mapping) for row in connection.execute(statement)]

    found: list[StoredChunk] = yield Query(run)
    return found


def neighbouring_steps(
    chunk_id: int, before: int, after: int, collection: str | None
) -> Steps[list[StoredChunk]]:
    """A chunk and those around it; NotFound where a collection is named that does not have it."""
    found = orm.neighbouring_chunks(chunk_id, before=before, after=after)
    document = (found.c.collection_id == orm.Document.collection_id) & (
        found.c.document_id == orm.Document.document_id
    )
    names = [each.name for each in fields(StoredChunk) if each.name != "document_key"]
    statement = (
        select(orm.Document.document_key, *(found.c[name] for name in names))
        .join(orm.Document, document)
        .order_by(found.c.position)
    )

    def run(connection: Connection) -> list[StoredChunk]:
        asked = statement
        if collection is not None:
            asked = asked.where(orm.Document.collection_id == _owner(connection, collection))
        return [StoredChunk(**row._mapping) for row in connection.execute(asked)]

    around: list[StoredChunk] = yield Query(run)
    if not around and collection is not None:
        raise NotFound(f"chunk {chunk_id} does not exist in collection {collection}")
    return around


def _owner(connection: Connection, collection: str) -> int:
    """The collection's id: with it as a value, only the partition of this collection is read."""
    named = select(orm.Collection.collection_id).where(orm.Collection.name == collection)
    owner = connection.scalar(named)
    if owner is None:
        raise NotFound(f"collection {collection} does not exist")
    return int(owner)


def _document_id(connection: Connection, owner: int, document_key: str) -> int | None:
    return connection.scalar(
        select(orm.Document.document_id).where(
            orm.Document.collection_id == owner, orm.Document.document_key == document_key
        )
    )


def _document_columns() -> list[Any]:
    document = orm.Document
    return [
        document.document_key,
        document.title,
        document.source,
        document.content,
        document.document_metadata.label("metadata"),
        document.text_config,
        document.created_at,
        document.updated_at,
    ]


def _documents_statement(
    owner: int, metadata_filter: Mapping[str, Any] | None, after: str | None, max_results: int
) -> Select[Any]:
    document = orm.Document
    chunks = (
        select(func.count())
        .where(
            orm.Chunk.collection_id == owner,
            orm.Chunk.document_id == document.document_id,
        )
        .scalar_subquery()
        .label("chunks")
    )
    statement = (
        select(
            document.document_key,
            document.title,
            document.source,
            document.document_metadata.label("metadata"),
            chunks,
            document.updated_at,
        )
        .where(document.collection_id == owner)
        .order_by(document.document_key)
        .limit(max_results)
    )
    if metadata_filter is not None:
        predicate = orm.call("compile_filter", metadata_filter=dict(metadata_filter))
        statement = statement.where(document.document_metadata.op("@@")(predicate))
    return statement if after is None else statement.where(document.document_key > after)


def _chunks_statement(owner: int, after: tuple[int, int] | None, max_results: int) -> Select[Any]:
    chunk, document = orm.Chunk, orm.Document
    columns: dict[str, Any] = {
        "document_key": document.document_key,
        "metadata": chunk.chunk_metadata.label("metadata"),
    }
    names = [each.name for each in fields(StoredChunk) if each.name not in columns]
    columns |= {name: getattr(chunk, name) for name in names}
    statement = (
        select(*columns.values())
        .join(
            document,
            (document.collection_id == owner) & (document.document_id == chunk.document_id),
        )
        .where(chunk.collection_id == owner)
        .order_by(chunk.document_id, chunk.position)
        .limit(max_results)
    )
    if after is None:
        return statement
    return statement.where(tuple_(chunk.document_id, chunk.position) > after)


def _version(row: Any) -> str:
    """A hash of what changes whenever the document does.

    The row's own version would be enough within one database; the rest tells apart what was
    restored from a backup.
    """
    parts = (row.document_id, row.row_version, row.content_hash, row.updated_at.isoformat())
    return hashlib.sha256(repr(parts).encode("ascii", "backslashreplace")).hexdigest()[:32]


def _check_count(max_results: int) -> None:
    if not 1 <= max_results <= MOST_RESULTS:
        raise InvalidInput(f"max_results must be between 1 and {MOST_RESULTS}, not {max_results}")
