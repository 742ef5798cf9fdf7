"""A replica: what only reads is asked there, as long as it answers and has what must be seen."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, text

from retrieval.database.liveness import was_in_the_way
from retrieval.errors import DatabaseError, DatabaseUnavailable, InvalidInput, SchemaMismatch
from retrieval.settings import Settings

AnyEngine = TypeVar("AnyEngine")

# how long a replica that did not answer is left alone
PAUSE_SECONDS = 10.0
POLL_SECONDS = 0.02
# of an attempt: the replica has not replayed enough of the log
BEHIND = object()

_LSN = re.compile("[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_REPLAYED = text(
    "select not pg_is_in_recovery()"
    " or coalesce(pg_last_wal_replay_lsn() >= cast(:lsn as pg_lsn), false)"
)
# what commits without waiting for the disk is inserted, and only later written
CURRENT_LSN = text("select cast(pg_current_wal_insert_lsn() as text)")

logger = logging.getLogger("retrieval.replica")


class Replica(Generic[AnyEngine]):
    """An engine on a replica, and whether it answers."""

    def __init__(self, engine: AnyEngine) -> None:
        self.engine = engine
        self._patience = Settings().replica_wait_seconds
        self._silent_until: float | None = None

    def attempts(self) -> Iterator[float]:
        """The pause before each attempt; then it is the primary's turn.

        There is a second one only where the first found the replica behind. Of one that did not
        answer, a single caller finds out from time to time whether it does again.
        """
        now = time.monotonic()
        if self._silent_until is not None:
            if now < self._silent_until:
                return
            self._silent_until = now + PAUSE_SECONDS
        yield 0.0
        while self._silent_until is None and time.monotonic() < now + self._patience:
            yield POLL_SECONDS

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Take note of whether the replica answers inside of the block.

        What goes wrong because it is one ends the block, and is not raised.
        """
        try:
            yield
        except (DatabaseUnavailable, SchemaMismatch) as error:
            if self._silent_until is None:
                logger.warning("the replica does not answer, the primary is asked: %s", error)
            self._silent_until = time.monotonic() + PAUSE_SECONDS
        except DatabaseError as error:
            # the replay removed what the statement was reading, or waits for a lock of its
            if not was_in_the_way(error):
                raise
        else:
            if self._silent_until is not None:
                logger.warning("the replica answers again")
            self._silent_until = None


def once_replayed(run: Callable[[Connection], Any], lsn: str | None) -> Callable[[Connection], Any]:
    """`run`, or BEHIND where the server has not replayed its log up to `lsn`."""

    def attempt(connection: Connection) -> Any:
        if lsn is not None and not connection.scalar(_REPLAYED, {"lsn": lsn}):
            return BEHIND
        return run(connection)

    return attempt


def checked_lsn(lsn: str) -> str:
    """InvalidInput unless it is a position in the write-ahead log, as PostgreSQL writes it."""
    if not _LSN.fullmatch(lsn):
        raise InvalidInput(f"lsn must be a position in the log such as 0/16B3748, not {lsn!r}")
    return lsn
