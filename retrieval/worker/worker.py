"""The worker: embeds batch after batch, and waits for more."""

import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, Engine, select

from retrieval import orm
from retrieval.database import translate_errors
from retrieval.embedding import Embedder
from retrieval.embedding.spaces import KnownSpaces
from retrieval.errors import (
    DatabaseError,
    ModelUnavailable,
    NotFound,
    RetrievalError,
    SchemaMismatch,
    UnsupportedDatabase,
)
from retrieval.logs import Event
from retrieval.worker.backoff import Backoff
from retrieval.worker.chores import Chores
from retrieval.worker.heartbeat import Heartbeat
from retrieval.worker.listener import Listener
from retrieval.worker.signals import StopSignals
from retrieval.worker.work import Work

logger = logging.getLogger(__name__)

DEFAULT_CHUNKS = 512
DEFAULT_POLL_SECONDS = 30.0
LEASE_SECONDS = 60.0
FIRST_POLL_SECONDS = 0.25


class Worker:
    """Embeds what the queue holds, of one collection or all, until it is stopped.

    `embedder` serves the spaces that it fits; for others, and without one, a space's model is
    loaded by its name.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        embedder: Embedder | None = None,
        collection: str | None = None,
        maximum_chunks: int = DEFAULT_CHUNKS,
        poll_seconds: float = DEFAULT_POLL_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        stop: StopSignals | None = None,
    ) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._engine = engine
        self._collection = collection
        self._poll_seconds = poll_seconds
        self._lease_seconds = lease_seconds
        self._stop = stop or StopSignals()
        self._listener = Listener(engine)
        known = KnownSpaces(embedder)
        self._chores = Chores(self._connection, known)
        self._work = Work(
            self.name,
            self._transaction,
            known,
            collection,
            maximum_chunks,
            timedelta(seconds=lease_seconds),
            alive=self._heartbeat,
            written=self._chores.add,
        )

    def run(self, *, once: bool = False) -> int:
        """Work until Stopped is raised, or with `once` until nothing is due; chunks embedded.

        With `once`, jobs that are left because their model does not work end in ModelUnavailable,
        and a database that does not work in its error.
        """
        logger.info(Event("started", worker=self.name, collection=self._collection))
        try:
            self._run(once)
        finally:
            self._stop.ignore()
            self._end()
        return self._work.embedded

    def _run(self, once: bool) -> None:
        failures, idle, is_prepared = Backoff(), 0, False
        while True:
            self._stop.check()
            try:
                self._listen(once)
                is_prepared = is_prepared or self._prepare()
                has_worked = self._work.embed_batch()
            except (SchemaMismatch, UnsupportedDatabase):
                raise
            except DatabaseError as error:
                if once:
                    raise
                self._wait_for_database(error, failures)
                continue
            failures.failures = 0
            if has_worked:
                idle = 0
                continue
            self._chores.begin(wait=once)
            if once:
                return self._check_left_alone()
            self._listener.wait(self._patience(idle))
            idle += 1

    @contextmanager
    def _connection(self, autocommit: bool = False) -> Iterator[Connection]:
        with translate_errors(), self._engine.connect() as connection:
            if autocommit:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
            else:
                with connection.begin():
                    yield connection

    @contextmanager
    def _transaction(self, autocommit: bool = False) -> Iterator[Connection]:
        """One that no signal tears apart."""
        with self._stop.held(), self._connection(autocommit) as connection:
            yield connection

    def _heartbeat(self) -> Heartbeat:
        def beat() -> None:
            with self._connection() as connection:
                self._work.extend_lease(connection)

        return Heartbeat(beat, self._lease_seconds / 3)

    def _listen(self, once: bool) -> None:
        if not once:
            with translate_errors():
                self._listener.open()

    def _prepare(self) -> bool:
        """Enqueue what has escaped the queue, such as from before there was one."""
        names = select(orm.Collection.name).order_by(orm.Collection.collection_id)
        if self._collection is not None:
            names = names.where(orm.Collection.name == self._collection)
        with self._transaction() as connection:
            found = connection.scalars(names).all()
        if self._collection is not None and not found:
            raise NotFound(f"collection {self._collection} does not exist")
        for name in found:
            try:
                with self._transaction() as connection:
                    connection.execute(select(orm.call("enqueue_missing", collection=name)))
            except NotFound:  # dropped meanwhile
                continue
        return True

    def _wait_for_database(self, error: DatabaseError, failures: Backoff) -> None:
        seconds = failures.fail()
        logger.warning(Event("database_failed", error=error, retry_seconds=seconds))
        self._listener.close()
        self._engine.dispose()
        time.sleep(seconds)

    def _patience(self, idle: int) -> float:
        """How long to wait: the longer the less happens, but not longer than a space is left alone.

        Soon after some work there may be more whose transaction had not ended when it was looked
        for, and of which nobody was told because there were jobs already.
        """
        left = [each.left for each in self._work.left_alone.values() if each.left > 0]
        return min(self._poll_seconds, FIRST_POLL_SECONDS * float(2 ** min(idle, 20)), *left)

    def _check_left_alone(self) -> None:
        spaces = self._work.due_spaces()
        left = {row.name for row in spaces if row.space_id in self._work.left_alone}
        if left:
            raise ModelUnavailable(
                f"jobs are left, as the model of space {', '.join(sorted(left))} does not work here"
            )

    def _end(self) -> None:
        self._chores.stop()
        released: int | None = None
        try:
            released = self._work.release()
        except RetrievalError as error:  # then their lease passes
            logger.warning(Event("not_released", error=error))
        self._listener.close()
        values = {"worker": self.name, "embedded": self._work.embedded}
        logger.info(Event("stopped", **values, released=released))
