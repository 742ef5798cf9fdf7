"""Embeds the chunks of some jobs and finishes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import LoadError
from retrieval.ingestion.embed import ChunkInput, embed_chunks
from retrieval.ingestion.store import put_embeddings, written_spaces
from retrieval.steps import Query, Steps


@dataclass(frozen=True, slots=True)
class Job:
    """Chunks of one space that this worker has claimed."""

    job_id: int
    chunk_ids: Sequence[int]
    attempts: int


def claim_jobs(
    connection: Connection,
    worker: str,
    collection: str,
    space: str,
    maximum_chunks: int,
    lease: Any,
) -> list[Job]:
    """Due jobs of a space, which are this worker's from now on."""
    claimed = orm.call(
        "claim_jobs",
        worker=worker,
        collection=collection,
        space=space,
        maximum_chunks=maximum_chunks,
        lease=lease,
    ).table_valued("job_id", "chunk_ids", "attempts")
    return [Job(*row) for row in connection.execute(select(claimed))]


def embed_jobs(collection: str, space: KnownSpace, jobs: Sequence[Job]) -> Steps[int]:
    """Embed and store what the jobs still lack, and remove them; returns how many chunks.

    A text that was changed meanwhile is not stored, but enqueued again. An image that cannot be
    read is a LoadError.
    """
    job_ids = [job.job_id for job in jobs]
    chunks = yield Query(partial(_missing, job_ids=job_ids))
    embeddings = yield from embed_chunks(space, [ChunkInput.of_row(each) for each in chunks])
    for embedding in embeddings:
        if isinstance(embedding, LoadError):
            raise embedding
    store = partial(
        _store,
        collection=collection,
        space=space,
        chunks=chunks,
        embeddings=embeddings,
        job_ids=job_ids,
    )
    yield Query(store)
    return len(chunks)


def _missing(connection: Connection, job_ids: Sequence[int]) -> list[Any]:
    found = orm.call("job_chunks", job_ids=job_ids).table_valued(
        "chunk_id",
        "title",
        "context",
        "content",
        "text_hash",
        "modality",
        "document_key",
        "source",
    )
    return list(connection.execute(select(found)))


def _store(
    connection: Connection,
    collection: str,
    space: KnownSpace,
    chunks: Sequence[Any],
    embeddings: Sequence[Any],
    job_ids: Sequence[int],
) -> None:
    written = {row.space_id for row in written_spaces(connection, collection)}
    if space.space_id not in written:
        return  # retired or dropped meanwhile, and its jobs with it
    by_chunk = {
        each.chunk_id: embedding for each, embedding in zip(chunks, embeddings, strict=True)
    }
    unchanged = orm.call(
        "unchanged_chunks",
        collection=collection,
        chunk_ids=list(by_chunk),
        text_hashes=[each.text_hash for each in chunks],
    )
    ids = connection.scalars(select(unchanged.column_valued("chunk_id"))).all() if chunks else []
    if ids:
        vectors = [by_chunk[each] for each in ids]
        put_embeddings(connection, collection, space, ids, vectors)
    connection.execute(select(orm.call("finish_jobs", job_ids=job_ids)))
