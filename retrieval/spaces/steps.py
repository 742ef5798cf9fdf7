"""The short operations on spaces; the long ones have modules of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding import Embedder
from retrieval.embedding.spaces import KnownSpaces
from retrieval.golden_sets.judgements import Judgements
from retrieval.ingestion.fill import fill_space
from retrieval.spaces.compare import Comparison, compare_steps
from retrieval.spaces.create import create_space_statement, space_name
from retrieval.spaces.progress import EmbeddingProgress, Progress, silent
from retrieval.spaces.summary import SpaceSummary, space_row, summaries
from retrieval.steps import Compute, Query, Steps


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far an index is: rows or blocks of the phase, done and in all."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SpaceEstimate:
    """What a space needs, in bytes: its table, its index, and the memory to build that in."""

    index_method: str
    quantization: str
    heap_bytes: int
    index_bytes: int
    build_memory_bytes: int


def list_steps(collection: str) -> Steps[list[SpaceSummary]]:
    """Every space of a collection."""
    found: list[SpaceSummary] = yield Query(partial(summaries, collection=collection))
    return found


def create_steps(
    collection: str,
    embedder: Embedder,
    known_spaces: KnownSpaces,
    space: str | None,
    **options: Any,
) -> Steps[str]:
    """Create a space for an embedder."""
    yield Compute(lambda: embedder.signature)
    name = space or space_name(embedder.model)
    statement = create_space_statement(collection, name, embedder, **options)
    yield Query(lambda connection: connection.execute(statement))
    known_spaces.remember(embedder)
    return name


def fill_steps(
    collection: str,
    known_spaces: KnownSpaces,
    space: str | None,
    kind: str,
    on_progress: Progress | None,
) -> Steps[int]:
    """Embed what is missing in a space."""
    row = yield Query(partial(space_row, collection=collection, space=space, kind=kind))
    known = yield Compute(partial(known_spaces.known, row))
    progress = EmbeddingProgress(row.missing, on_progress or silent)
    return (yield from fill_space(collection, known, progress))


def index_progress_steps(
    collection: str, space: str | None, kind: str
) -> Steps[IndexProgress | None]:
    """How far the index that is being built is."""
    progress = partial(_index_progress, collection=collection, space=space, kind=kind)
    row = yield Query(progress)
    return None if row is None else IndexProgress(row.phase, row.done or 0, row.total or 0)


def _index_progress(connection: Connection, collection: str, space: str | None, kind: str) -> Any:
    """Asked again and again, so without counting what is missing as `list_spaces` does."""
    if space is not None:
        named = select(orm.Space.kind).join(orm.Collection)
        named = named.where(orm.Collection.name == collection, orm.Space.name == space)
        kind = connection.scalar(named) or kind
    called = orm.call("index_progress", collection=collection, space=space, kind=kind)
    return connection.execute(select(*called.table_valued("phase", "done", "total").c)).first()


def state_steps(
    function: str, collection: str, space: str, known_spaces: KnownSpaces
) -> Steps[None]:
    """Change the state of a space by one of the SQL functions."""
    statement = select(orm.call(function, collection=collection, space=space))
    yield Query(lambda connection: connection.execute(statement))
    known_spaces.forget(collection)


def rollback_steps(
    collection: str, kind: str, modality: str, known_spaces: KnownSpaces
) -> Steps[str]:
    """Return to the space that was active before."""
    called = orm.call("rollback_space", collection=collection, kind=kind, modality=modality)
    statement = select(called)
    former: str = yield Query(lambda connection: connection.scalar(statement))
    known_spaces.forget(collection)
    return former


def drop_steps(collection: str, space: str, force: bool, known_spaces: KnownSpaces) -> Steps[None]:
    """Remove a space."""
    statement = select(orm.call("drop_space", collection=collection, space=space, force=force))
    yield Query(lambda connection: connection.execute(statement))
    known_spaces.forget(collection)


def compare_steps_by_name(
    collection: str,
    former: str,
    new: str,
    queries: Sequence[str] | Judgements,
    known_spaces: KnownSpaces,
) -> Steps[Comparison]:
    """Compare two spaces by their names."""
    known = []
    for name in (former, new):
        row = yield Query(partial(space_row, collection=collection, space=name, kind="dense"))
        known.append((yield Compute(partial(known_spaces.known, row))))
    return (yield from compare_steps(collection, known[0], known[1], queries))


def drop_adapter_steps(collection: str, space: str | None) -> Steps[bool]:
    """Remove a space's query adapter."""
    drop = partial(_drop_adapter, collection=collection, space=space)
    dropped: bool = yield Query(drop)
    return dropped


def _drop_adapter(connection: Connection, collection: str, space: str | None) -> bool:
    name = space_row(connection, collection, space, "dense").name
    called = orm.call("drop_query_adapter", collection=collection, space=name)
    return bool(connection.scalar(select(called)))


def estimate_steps(
    chunks: int, dimensions: int, index_options: Mapping[str, int] | None
) -> Steps[list[SpaceEstimate]]:
    """What a space needs, for each way to index it."""
    names = list(SpaceEstimate.__dataclass_fields__)
    called = orm.call(
        "estimate_space", chunks=chunks, dimensions=dimensions, index_options=index_options
    ).table_valued(*names)
    statement = select(*called.c)
    rows = yield Query(lambda connection: connection.execute(statement).all())
    return [SpaceEstimate(**row._mapping) for row in rows]
