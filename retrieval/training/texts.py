"""The texts of a collection's chunks, as its models read them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, or_, select

from retrieval import orm
from retrieval.chunking import embedding_text
from retrieval.errors import InvalidInput, NotFound
from retrieval.search import Retriever
from retrieval.search.rerank import reranked_text
from retrieval.search.searches import rows

FETCHED = 5_000


class ChunkText(NamedTuple):
    """What embedders read of a chunk, and what rerankers do, who are not given its headings."""

    chunk_id: int
    document_key: str
    embedded: str
    reranked: str


def chunk_keys(retriever: Retriever, collection: str) -> dict[int, str]:
    """The document_key of every chunk that has a text, by chunk_id, in the order of these."""
    known = {each.name for each in retriever.collections()}
    if collection not in known:
        raise NotFound(f"there is no collection {collection!r}")
    statement = _chunks(collection, orm.Chunk.chunk_id, orm.Document.document_key)
    found = retriever._drive(rows(statement.order_by(orm.Chunk.chunk_id)), None)
    if not found:
        raise InvalidInput(f"collection {collection} has no text to learn from")
    return {row.chunk_id: row.document_key for row in found}


def chunk_texts(
    retriever: Retriever, collection: str, chunk_ids: Iterable[int]
) -> dict[int, ChunkText]:
    """The texts of chunks, by chunk_id; those that are gone are left out."""
    columns = (
        orm.Chunk.chunk_id,
        orm.Document.document_key,
        orm.Chunk.title,
        orm.Chunk.context,
        orm.Chunk.content,
    )
    statement = _chunks(collection, *columns)
    found: dict[int, ChunkText] = {}
    for some in _batches(chunk_ids):
        chosen = statement.where(orm.Chunk.chunk_id.in_(some))
        for row in retriever._drive(rows(chosen), None):
            embedded = embedding_text(row.title, row.context, row.content)
            found[row.chunk_id] = ChunkText(
                row.chunk_id, row.document_key, embedded, reranked_text(row)
            )
    return found


def sampled_chunks(keys: Mapping[int, str], kept: set[str], most: int, seed: int) -> list[int]:
    """All chunks if they are no more than `most`; else those of the documents that are kept.

    With them come as many others, by chance, as there is room for.
    """
    if len(keys) <= most:
        return list(keys)
    wanted = [chunk for chunk, key in keys.items() if key in kept]
    others = [chunk for chunk, key in keys.items() if key not in kept]
    room = min(len(others), max(0, most - len(wanted)))
    chosen = np.random.default_rng(seed).choice(len(others), room, replace=False)
    return sorted([*wanted, *(others[row] for row in chosen)])


def _chunks(collection: str, *columns: Any) -> Select[Any]:
    of_document = and_(
        orm.Document.collection_id == orm.Chunk.collection_id,
        orm.Document.document_id == orm.Chunk.document_id,
    )
    has_text: ColumnElement[bool] = or_(orm.Chunk.modality == "text", orm.Chunk.content != "")
    return (
        select(*columns)
        .select_from(orm.Chunk)
        .join(orm.Document, of_document)
        .join(orm.Collection, orm.Collection.collection_id == orm.Chunk.collection_id)
        .where(orm.Collection.name == collection, has_text, orm.of_current_tenant(orm.Chunk))
    )


def _batches(chunk_ids: Iterable[int]) -> Iterator[Sequence[int]]:
    remaining = iter(chunk_ids)
    while some := list(islice(remaining, FETCHED)):
        yield some
