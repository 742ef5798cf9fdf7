"""Embeds the chunks that have no embedding in a space yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding import Embedding
from retrieval.embedding.cache import embed_documents
from retrieval.embedding.spaces import KnownSpace
from retrieval.ingestion.chunk import embedding_text
from retrieval.ingestion.queue import has_jobs, tidy_queue
from retrieval.ingestion.store import put_embeddings
from retrieval.steps import Query, Steps

MISSING_CHUNKS = 512


@dataclass(frozen=True, slots=True)
class MissingChunk:
    """A stored chunk without an embedding, and the text that the model sees of it."""

    chunk_id: int
    text: str


def fill_space(
    collection: str, space: KnownSpace, on_progress: Callable[[int], None] | None = None
) -> Steps[int]:
    """Embed what is missing, some chunks at a time; returns how many chunks there were.

    Interrupted, it goes on where it was. `on_progress` is called with the number of chunks done
    since its last call.
    """
    done = 0
    while missing := (yield Query(partial(_missing, collection=collection, space=space))):
        embeddings = yield from embed_documents(space, [each.text for each in missing])
        yield Query(
            partial(
                _store, collection=collection, space=space, missing=missing, embeddings=embeddings
            )
        )
        done += len(missing)
        if on_progress:
            on_progress(len(missing))
    if (yield Query(partial(has_jobs, space_id=space.space_id))):
        yield Query(partial(tidy_queue, collection=collection, space=space.name))
    return done


def _missing(connection: Connection, collection: str, space: KnownSpace) -> list[MissingChunk]:
    missing = orm.call(
        "missing_embeddings", collection=collection, space=space.name, max_results=MISSING_CHUNKS
    ).table_valued("chunk_id", "title", "context", "content")
    return [
        MissingChunk(row.chunk_id, embedding_text(row.title, row.context, row.content))
        for row in connection.execute(select(missing))
    ]


def _store(
    connection: Connection,
    collection: str,
    space: KnownSpace,
    missing: Sequence[MissingChunk],
    embeddings: Sequence[Embedding],
) -> None:
    ids = [each.chunk_id for each in missing]
    put_embeddings(connection, collection, space, ids, embeddings)
