"""Writes prepared documents: through the SQL functions, in the caller's transaction."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import ARRAY, Connection, Text, any_, literal, select

from retrieval import orm
from retrieval.chunking import Chunking
from retrieval.document import Document, FileTime
from retrieval.embedding import Embedding
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import InvalidInput
from retrieval.ingestion.batch import Batch, PreparedDocument
from retrieval.ingestion.queue import embedding_for

# changes whenever the same document would be cut differently
CHUNKER = "chunks-2"


def content_hash(document: Document, max_tokens: int, chunking: Chunking) -> str:
    """SHA-256 over everything that decides what is stored for a document, but the file's time.

    Raises InvalidInput where the metadata cannot be stored.
    """
    try:
        metadata = dict(document.metadata)
        parts = [
            document.title,
            document.source,
            document.content,
            {name: value for name, value in metadata.items() if not isinstance(value, FileTime)},
            document.text_config,
            document.modality,
            CHUNKER,
            max_tokens,
            chunking.as_json(),
        ]
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=False)
        hashed = hashlib.sha256(text.encode("utf-8"))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"metadata is not JSON: {error}") from error
    if document.embedding is not None:
        hashed.update(np.asarray(document.embedding, dtype=np.float32).tobytes())
    return hashed.hexdigest()


def stored_chunking(connection: Connection, collection: str) -> Chunking:
    """How a collection's documents are cut."""
    chosen = orm.Collection.settings["chunking"]
    statement = select(chosen).where(orm.Collection.name == collection)
    return Chunking.from_json(connection.execute(statement).scalar_one_or_none() or {})


def stored_hashes(
    connection: Connection, collection: str, keys: Sequence[str]
) -> dict[str, str | None]:
    """The content hashes of those of the keys that are stored."""
    statement = (
        select(orm.Document.document_key, orm.Document.content_hash)
        .join(orm.Document.collection)
        .where(
            orm.Collection.name == collection,
            orm.of_current_tenant(orm.Document),
            # one array: thousands of parameters take longer to bind than to look up
            orm.Document.document_key == any_(literal(list(keys), ARRAY(Text))),
        )
    )
    return {row.document_key: row.content_hash for row in connection.execute(statement)}


def written_spaces(connection: Connection, collection: str) -> list[Any]:
    """The spaces that need an embedding of every chunk, held as they are until the commit."""
    return list(connection.execute(select(*orm.written_spaces(collection).c)))


def put_batch(connection: Connection, collection: str, batch: Batch, spaces: Sequence[int]) -> None:
    """Store documents and chunks, with the embeddings for the spaces of these ids."""
    with embedding_for(connection, spaces):
        chunk_ids = _put_documents(connection, collection, batch.documents)
    for space_id in spaces:
        made = zip(chunk_ids, batch.embeddings[space_id], strict=True)
        embeddings = {chunk_id: each for chunk_id, each in made if each is not None}
        if embeddings:
            put_embeddings(
                connection,
                collection,
                batch.spaces[space_id],
                list(embeddings),
                list(embeddings.values()),
            )


def put_embeddings(
    connection: Connection,
    collection: str,
    space: KnownSpace,
    chunk_ids: Sequence[int],
    embeddings: Sequence[Embedding],
) -> None:
    """Store the embeddings of chunks in a space."""
    connection.execute(
        orm.put_embeddings_statement(
            space.kind, collection, space.name, chunk_ids, embeddings, space.signature, connection
        )
    )


def _put_documents(
    connection: Connection, collection: str, documents: Sequence[PreparedDocument]
) -> list[int]:
    """Store documents and chunks; returns the ids of all chunks in the order of the documents."""
    given = [_as_json(each) for each in documents]
    stored = orm.call("put_documents", collection=collection, documents=given).table_valued(
        "document_key", "position", "chunk_id"
    )
    ids = {
        (row.document_key, row.position): row.chunk_id for row in connection.execute(select(stored))
    }
    return [ids[each.document.key, chunk.position] for each in documents for chunk in each.chunks]


def _as_json(prepared: PreparedDocument) -> dict[str, Any]:
    document = prepared.document
    return {
        "document_key": document.key,
        "title": document.title,
        "source": document.source,
        "content": document.content,
        "metadata": dict(document.metadata),
        "text_config": document.text_config,
        "modality": document.modality,
        "content_hash": prepared.content_hash,
        "chunks": [
            {
                "content": chunk.content,
                "context": chunk.context,
                "start_offset": chunk.start,
                "end_offset": chunk.end,
            }
            for chunk in prepared.chunks
        ],
    }
