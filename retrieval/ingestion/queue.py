"""The queue of what is to be embedded, as a program that embeds by itself sees it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from retrieval import orm


@contextmanager
def embedding_for(connection: Connection, space_ids: Iterable[int]) -> Iterator[None]:
    """Chunks that the block writes get their embeddings in these spaces in the same transaction.

    They are then not enqueued for a worker. Where the block fails, the rollback ends it as well.
    """
    _say(connection, ",".join(map(str, space_ids)))
    yield
    _say(connection, "")


def _say(connection: Connection, space_ids: str) -> None:
    setting = func.set_config("retrieval.embedded_spaces", space_ids, True)
    connection.execute(select(setting))


def has_jobs(connection: Connection, collection: str, space: str) -> bool:
    """Whether something is to be embedded in a space that nobody has begun with."""
    called = orm.call("has_jobs", collection=collection, space=space)
    return bool(connection.scalar(select(called)))


def tidy_queue(connection: Connection, collection: str, space: str) -> None:
    """Remove the jobs that have nothing left to do."""
    called = orm.call("enqueue_missing", collection=collection, space=space)
    connection.execute(select(called))
