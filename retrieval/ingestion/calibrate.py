"""Finds out what a space should count beside the words, when it is time to."""

from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, func, select

from retrieval import orm
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import RetrievalError
from retrieval.settings import Settings
from retrieval.steps import Query, Steps

LEAST_CHUNKS = 100
# half of what the function takes by itself: enough to tell a useless space, in half the time
SAMPLE = 50


def calibrate_steps(
    collection: str, space: KnownSpace, known_spaces: KnownSpaces
) -> Steps[str | None]:
    """Calibrate a dense space after its first filling, and once the collection has doubled since.

    Returns what went wrong: what is stored is stored, and searches then go by the default weight.
    """
    if not Settings().calibrate:
        return None
    run = partial(_calibrate, collection=collection, space=space, known_spaces=known_spaces)
    try:
        yield Query(run)
    except RetrievalError as error:
        return f"space {space.name} was not calibrated: {error}"
    return None


def _calibrate(
    connection: Connection, collection: str, space: KnownSpace, known_spaces: KnownSpaces
) -> None:
    sizes = connection.execute(_sizes(collection, space)).one_or_none()
    if sizes is None:  # the collection is gone since
        return
    chunks, calibrated = sizes
    # what cannot be calibrated leaves nothing in the database
    tried = max(calibrated or 0, known_spaces.calibrated_at.get(space.space_id, 0))
    if chunks < max(LEAST_CHUNKS, 2 * tried):
        return
    known_spaces.calibrated_at[space.space_id] = chunks
    with connection.begin_nested():
        connection.execute(select(*orm.calibrate(collection, space.name, sample=SAMPLE).c))


def _sizes(collection: str, space: KnownSpace) -> Select[Any]:
    """How many chunks a collection has, and how many it had when the space was calibrated."""
    chunks = (
        select(func.coalesce(func.sum(orm.ChunkStatistics.chunk_count), 0))
        .where(orm.ChunkStatistics.collection_id == orm.Collection.collection_id)
        .scalar_subquery()
    )
    path = ("calibration", str(space.space_id), "chunks")
    calibrated = orm.Collection.settings[path].as_integer()
    return select(chunks, calibrated).where(orm.Collection.name == collection)
