"""A space of a new model from the vectors of an old one, where texts are gone or too many."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.chunking import embedding_text
from retrieval.embedding import Embedder
from retrieval.embedding.cache import embed_documents
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import AlreadyExists, InvalidInput
from retrieval.ingestion.store import put_embeddings
from retrieval.spaces.alignment import Alignment, Vectors, fit_alignment
from retrieval.spaces.create import create_space_statement, space_name
from retrieval.spaces.index import build_index_steps
from retrieval.spaces.progress import Progress, silent
from retrieval.spaces.summary import space_row, space_rows
from retrieval.steps import Compute, Query, Steps

BATCH = 5000


@dataclass(frozen=True, slots=True)
class AlignedSpace:
    """A space whose vectors were carried over, and what was lost on the way.

    `cosine` is the mean between carried and true embeddings of `held_out` chunks that the map was
    not fitted to, `overlap` the share of their ten nearest neighbours that stayed the same.
    """

    space: str
    source: str
    sample: int
    held_out: int
    cosine: float
    overlap: float
    carried: int


def align_steps(
    collection: str,
    embedder: Embedder,
    *,
    source: str | None = None,
    space: str | None = None,
    sample: int = 2000,
    options: Mapping[str, Any] | None = None,
    memory: str | None = None,
    on_progress: Progress | None = None,
) -> Steps[AlignedSpace]:
    """Embed a sample with the new model, fit a rotation to it, and carry the other vectors over.

    The sample keeps its true embeddings. Chunks written later are embedded by the new model
    itself, into the same space. Nothing is activated. Everything is carried over in one
    transaction, so that an interrupted run leaves nothing behind.
    """
    progress = on_progress or silent
    if embedder.kind != "dense":
        raise InvalidInput(f"only dense spaces can be aligned; {embedder.model} is {embedder.kind}")
    yield Compute(lambda: embedder.signature)
    name = space or f"{space_name(embedder.model)}-aligned"
    row = yield Query(partial(_source_row, collection=collection, source=source, name=name))
    sampled = yield Query(partial(_sampled, collection=collection, space=row.name, sample=sample))
    known = KnownSpace(name, embedder.signature.to_json(), embedder)
    progress("embedding the sample", 0, len(sampled))
    texts = [embedding_text(each.title, each.context, each.content) for each in sampled]
    true = yield from embed_documents(known, texts)
    progress("embedding the sample", len(sampled), len(sampled))
    alignment = yield Compute(
        lambda: fit_alignment(_stacked(each.embedding for each in sampled), _stacked(true))
    )
    carry = partial(
        _carry_over,
        collection=collection,
        source=row,
        known=known,
        alignment=alignment,
        true=dict(zip((each.chunk_id for each in sampled), true, strict=True)),
        options=options,
        progress=progress,
    )
    carried = yield Query(carry)
    yield from build_index_steps(collection, name, "dense", memory, progress)
    return AlignedSpace(
        name,
        row.name,
        len(sampled),
        alignment.held_out,
        alignment.cosine,
        alignment.overlap,
        carried,
    )


def _source_row(connection: Connection, collection: str, source: str | None, name: str) -> Any:
    if any(each.name == name for each in space_rows(connection, collection)):
        raise AlreadyExists(
            f"space {name} already exists in collection {collection}; "
            "drop it or give the aligned space another name"
        )
    row = space_row(connection, collection, source, "dense")
    if row.kind != "dense":
        raise InvalidInput(f"only dense spaces can be aligned; space {row.name} is {row.kind}")
    if row.modality != "text":
        raise InvalidInput(
            f"space {row.name} embeds images, and only those of texts can be aligned"
        )
    return row


def _sampled(connection: Connection, collection: str, space: str, sample: int) -> list[Any]:
    return list(connection.execute(orm.sample_embeddings_statement(collection, space, sample)))


def _carry_over(
    connection: Connection,
    collection: str,
    source: Any,
    known: KnownSpace,
    alignment: Alignment,
    true: Mapping[int, Any],
    options: Mapping[str, Any] | None,
    progress: Progress,
) -> int:
    """Create the space and fill it; returns how many vectors were carried over."""
    details = {
        "source": source.name,
        "sample": len(true),
        "held_out": alignment.held_out,
        "cosine": alignment.cosine,
        "overlap": alignment.overlap,
    }
    connection.execute(
        create_space_statement(
            collection, known.name, known.embedder, alignment=details, **(options or {})
        )
    )
    put_embeddings(connection, collection, known, list(true), list(true.values()))
    stored = select(orm.Embedding.chunk_id, orm.Embedding.embedding).where(
        orm.Embedding.space_id == source.space_id
    )
    carried = 0
    with connection.execute(stored, execution_options={"yield_per": BATCH}) as reading:
        for rows in reading.partitions():
            others = [row for row in rows if row.chunk_id not in true]
            if others:
                vectors = alignment.apply(_stacked(each.embedding for each in others))
                chunk_ids = [each.chunk_id for each in others]
                put_embeddings(connection, collection, known, chunk_ids, list(vectors))
            carried += len(others)
            progress("carrying over", carried, source.embeddings - len(true))
    return carried


def _stacked(embeddings: Iterable[Any]) -> Vectors:
    return np.array(list(embeddings), dtype=np.float32)
