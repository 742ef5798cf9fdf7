"""Embeds the chunks that have no embedding in a space yet."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding import Embedding
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import LoadError
from retrieval.ingestion.embed import ChunkInput, embed_chunks
from retrieval.ingestion.queue import has_jobs, tidy_queue
from retrieval.ingestion.store import put_embeddings
from retrieval.steps import Query, Steps

MISSING_CHUNKS = 512


def fill_space(
    collection: str,
    space: KnownSpace,
    on_progress: Callable[[int], None] | None = None,
    on_failure: Callable[[LoadError], None] | None = None,
) -> Steps[int]:
    """Embed what is missing, some chunks at a time; returns how many chunks there were.

    Interrupted, it goes on where it was. `on_progress` is called with the number of chunks done
    since its last call, `on_failure` for each image that cannot be read any more; without it the
    first of these is raised after all others are embedded.
    """
    done = 0
    failed: dict[int, LoadError] = {}
    fetch = partial(missing_chunks, collection=collection, space=space)
    while missing := (yield Query(partial(fetch, left_out=failed.keys()))):
        embeddings = yield from embed_chunks(space, list(missing.values()))
        made = {}
        for chunk_id, embedding in zip(missing, embeddings, strict=True):
            if isinstance(embedding, LoadError):
                failed[chunk_id] = embedding
            else:
                made[chunk_id] = embedding
        if made:
            yield Query(partial(_store, collection=collection, space=space, made=made))
        done += len(made)
        if on_progress:
            on_progress(len(missing))
    if (yield Query(partial(has_jobs, collection=collection, space=space.name))):
        yield Query(partial(tidy_queue, collection=collection, space=space.name))
    _report(failed, on_failure)
    return done


def missing_chunks(
    connection: Connection, collection: str, space: KnownSpace, left_out: Collection[int] = ()
) -> dict[int, ChunkInput]:
    """Some of the chunks without an embedding, by their ids."""
    columns = ("chunk_id", "title", "context", "content", "modality", "document_key", "source")
    missing = orm.call(
        "missing_embeddings",
        collection=collection,
        space=space.name,
        max_results=MISSING_CHUNKS + len(left_out),
    ).table_valued(*columns)
    return {
        row.chunk_id: ChunkInput.of_row(row)
        for row in connection.execute(select(missing))
        if row.chunk_id not in left_out
    }


def _store(
    connection: Connection, collection: str, space: KnownSpace, made: Mapping[int, Embedding]
) -> None:
    put_embeddings(connection, collection, space, list(made), list(made.values()))


def _report(
    failed: Mapping[int, LoadError], on_failure: Callable[[LoadError], None] | None
) -> None:
    if on_failure is not None:
        for error in failed.values():
            on_failure(error)
    elif failed:
        first = next(iter(failed.values()))
        others = f" (and {len(failed) - 1} more that cannot be embedded)" if len(failed) > 1 else ""
        raise LoadError(first.source, f"{first.reason}{others}")
