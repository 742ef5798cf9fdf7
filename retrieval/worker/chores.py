"""What is due beside the embeddings: indexes of searched spaces, calibration, caches, old queries.

They may take long, or wait for others' transactions, so they have a thread of their own.
"""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, text

from retrieval.embedding.cache import trim_cache
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import RetrievalError
from retrieval.ingestion.calibrate import calibrate_steps
from retrieval.logs import Event
from retrieval.signals.steps import trim_steps
from retrieval.spaces.index import build_index_steps
from retrieval.steps import Connect, Query, Steps, drive

TRIM_SECONDS = 3600.0  # from one look for queries that have been kept for long enough to the next

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WrittenSpace:
    """A space that embeddings were stored in."""

    collection: str
    space: KnownSpace


class Chores:
    """Does what is due for spaces that were written, one by one, and every hour for the log."""

    def __init__(self, connect: Connect, known_spaces: KnownSpaces) -> None:
        self._connect = connect
        self._known_spaces = known_spaces
        self._written: dict[int, WrittenSpace] = {}
        self._executor = ThreadPoolExecutor(1, "chores")
        self._running: Future[None] | None = None
        self._trim_at = float("-inf")

    def add(self, collection: str, space: KnownSpace) -> None:
        """Note that a space was written."""
        self._written[space.space_id] = WrittenSpace(collection, space)

    def begin(self, *, wait: bool) -> None:
        """Begin with what was noted, unless the last ones are still under way."""
        trims = time.monotonic() >= self._trim_at
        if (self._written or trims) and (self._running is None or self._running.done()):
            written, self._written = list(self._written.values()), {}
            if trims:
                self._trim_at = time.monotonic() + TRIM_SECONDS
            self._running = self._executor.submit(self._run, written, trims)
        if wait and self._running is not None:
            self._running.result()

    def stop(self) -> None:
        """Begin nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self, written: list[WrittenSpace], trims: bool) -> None:
        for each in written:
            try:
                drive(self._steps(each), self._connect)
            except RetrievalError as error:
                values = {"collection": each.collection, "space": each.space.name}
                logger.warning(Event("chore_failed", **values, error=error))
        if trims:
            self._trim_query_log()

    def _trim_query_log(self) -> None:
        try:
            removed = drive(trim_steps(), self._connect)
        except RetrievalError as error:
            logger.warning(Event("chore_failed", error=error))
        else:
            if removed:
                logger.info(Event("query_log_trimmed", queries=removed))

    def _steps(self, written: WrittenSpace) -> Steps[None]:
        collection, space = written.collection, written.space
        values = {"collection": collection, "space": space.name}
        yield Query(trim_cache)
        row = yield Query(partial(_state, space_id=space.space_id))
        if row is None or row.state != "active":
            return
        if not row.indexed and (
            yield from build_index_steps(collection, space.name, space.kind, None)
        ):
            logger.info(Event("index_built", **values))
        if (space.kind, space.modality) == ("dense", "text"):
            failed = yield from calibrate_steps(collection, space, self._known_spaces)
            if failed is not None:
                logger.warning(Event("not_calibrated", **values, error=failed))


def _state(connection: Connection, space_id: int) -> Any:
    """The state of a space, and whether it has the index that it is to have."""
    statement = text(
        "select s.state, s.index_method = 'none' or retrieval._has_index(s) as indexed "
        "from retrieval.spaces s where s.space_id = :space_id"
    )
    return connection.execute(statement, {"space_id": space_id}).first()
