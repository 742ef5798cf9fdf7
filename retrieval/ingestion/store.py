"""Writes prepared documents: through the SQL functions, in the caller's transaction."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.chunking import Chunk, Chunking
from retrieval.document import Document
from retrieval.embedding import Embedding
from retrieval.embedding.spaces import KnownSpace

# changes whenever the same document would be cut differently
CHUNKER = "chunks-2"


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document ready to be stored: its chunks, and by space id their embeddings in that order."""

    document: Document
    content_hash: str
    chunks: Sequence[Chunk]
    embeddings: Mapping[int, Sequence[Embedding]] = field(default_factory=dict)


def content_hash(document: Document, max_tokens: int, chunking: Chunking) -> str:
    """SHA-256 over everything that decides what is stored for a document."""
    parts = [
        document.title,
        document.source,
        document.content,
        dict(document.metadata),
        document.text_config,
        CHUNKER,
        max_tokens,
        chunking.as_json(),
    ]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


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
        .where(orm.Collection.name == collection, orm.Document.document_key.in_(keys))
    )
    return {row.document_key: row.content_hash for row in connection.execute(statement)}


def put_documents(
    connection: Connection, collection: str, prepared: Sequence[PreparedDocument]
) -> dict[tuple[str, int], int]:
    """Store documents and chunks; returns chunk ids by document key and position."""
    documents = [_as_json(each) for each in prepared]
    stored = orm.call("put_documents", collection=collection, documents=documents).table_valued(
        "document_key", "position", "chunk_id"
    )
    rows = connection.execute(select(stored))
    return {(row.document_key, row.position): row.chunk_id for row in rows}


def written_spaces(connection: Connection, collection: str) -> list[Any]:
    """The spaces that need an embedding of every chunk, held as they are until the commit."""
    return list(connection.execute(select(*orm.written_spaces(collection).c)))


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
            space.kind, collection, space.name, chunk_ids, embeddings, space.signature
        )
    )


def _as_json(prepared: PreparedDocument) -> dict[str, Any]:
    document = prepared.document
    return {
        "document_key": document.key,
        "title": document.title,
        "source": document.source,
        "content": document.content,
        "metadata": dict(document.metadata),
        "text_config": document.text_config,
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
