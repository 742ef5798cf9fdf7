"""One batch of a worker: which space, which jobs, and what becomes of those that fail."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from retrieval import orm
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import (
    DatabaseError,
    ModelUnavailable,
    NotFound,
    NotReady,
    SpaceMismatch,
)
from retrieval.logs import Event
from retrieval.steps import Connect, drive
from retrieval.worker.backoff import Backoff
from retrieval.worker.batch import Job, claim_jobs, embed_jobs

# any model can embed it: what cannot is not to be blamed on a document
PROBE = "probe"
# for a model that works, but not for this text just now, such as a server with a rate limit
RETRY_SECONDS = 10

Alive = Callable[[], AbstractContextManager[object]]
Written = Callable[[str, KnownSpace], None]

logger = logging.getLogger(__name__)


class Work:
    """Claims and embeds in the name of a worker. `alive` keeps what is claimed while it is open."""

    def __init__(
        self,
        worker: str,
        connect: Connect,
        known_spaces: KnownSpaces,
        collection: str | None,
        maximum_chunks: int,
        lease: timedelta,
        alive: Alive,
        written: Written,
    ) -> None:
        self.embedded = 0
        self.left_alone: dict[int, Backoff] = {}
        self._worker = worker
        self._connect = connect
        self._known_spaces = known_spaces
        self._collection = collection
        self._maximum_chunks = maximum_chunks
        self._lease = lease
        self._alive = alive
        self._written = written
        self._holds_jobs = False

    def embed_batch(self) -> bool:
        """Embed what fits into a batch; false where there is nothing that can be done now."""
        if self._holds_jobs:
            self.release()  # what an error has left
        for row in self.due_spaces():
            space = self._known(row)
            if space is None:
                continue
            with self._holding() as jobs:
                jobs += self._claim(row.collection_name, row.name)
                if jobs:
                    self._embed(row.collection_name, space, jobs)
                    return True
        return False

    def due_spaces(self) -> Sequence[Any]:
        """Spaces with jobs that are due, those that are searched first."""
        due = select(orm.Job.job_id).where(
            orm.Job.space_id == orm.Space.space_id, orm.Job.run_after <= func.now()
        )
        statement = (
            select(*orm.Space.__table__.columns, orm.Collection.name.label("collection_name"))
            .join(orm.Collection, orm.Collection.collection_id == orm.Space.collection_id)
            .where(due.exists(), orm.Space.state != "retired")
            .order_by(orm.Space.state != "active", func.random())
        )
        if self._collection is not None:
            statement = statement.where(orm.Collection.name == self._collection)
        with self._connect(False) as connection:
            return connection.execute(statement).all()

    def release(self) -> int:
        """Give back what is claimed; after an error that may be more than is known here."""
        released = int(self._call("release_jobs", worker=self._worker) or 0)
        self._holds_jobs = False
        return released

    def extend_lease(self, connection: Connection) -> None:
        """Keep what is claimed for longer."""
        called = orm.call("extend_jobs", worker=self._worker, lease=self._lease)
        connection.execute(select(called))

    def _call(self, function: str, **arguments: Any) -> Any:
        with self._connect(False) as connection:
            return connection.scalar(select(orm.call(function, **arguments)))

    @contextmanager
    def _holding(self) -> Iterator[list[Job]]:
        self._holds_jobs = True
        with self._alive():
            yield []
        self._holds_jobs = False

    def _claim(self, collection: str, space: str) -> list[Job]:
        with self._connect(False) as connection:
            return claim_jobs(
                connection, self._worker, collection, space, self._maximum_chunks, self._lease
            )

    def _known(self, row: Any) -> KnownSpace | None:
        """A space with its embedder; None where it is left alone for now."""
        backoff = self.left_alone.get(row.space_id)
        if backoff is not None and backoff.left > 0:
            return None
        try:
            return self._known_spaces.known(row)
        except DatabaseError:
            raise
        except Exception as error:  # whatever a library meets in a model
            self._leave_alone(row.collection_name, row.name, row.space_id, error)
            return None

    def _leave_alone(self, collection: str, space: str, space_id: int, error: Exception) -> None:
        """Come back to a space later; other workers may have its model."""
        is_new = space_id not in self.left_alone
        self.left_alone.setdefault(space_id, Backoff()).fail()
        if is_new:
            values = {"collection": collection, "space": space}
            logger.warning(Event("left_alone", **values, error=error))

    def _embed(self, collection: str, space: KnownSpace, jobs: Sequence[Job]) -> bool:
        """Embed jobs; false where the space is left alone and what is claimed was given back.

        Where that fails each job goes by itself, and one that fails by itself is halved.
        """
        began = time.monotonic()
        try:
            count = drive(embed_jobs(collection, space, jobs), self._connect)
        except DatabaseError:
            raise
        except (NotFound, NotReady, SpaceMismatch) as error:  # the space is not what it was
            self.release()
            self._leave_alone(collection, space.name, space.space_id, error)
            return False
        except Exception as error:  # whatever a model meets in a text
            return self._examine(collection, space, jobs, error)
        self.embedded += count
        self.left_alone.pop(space.space_id, None)
        self._written(collection, space)
        values = {"collection": collection, "space": space.name, "jobs": len(jobs)}
        logger.info(Event("embedded", **values, chunks=count, seconds=time.monotonic() - began))
        return True

    def _examine(
        self, collection: str, space: KnownSpace, jobs: Sequence[Job], error: Exception
    ) -> bool:
        """Find out whether a failure is the model's or that of one of the texts."""
        try:
            space.embedder.embed_documents([PROBE])
        except Exception as failure:
            self.release()
            self._leave_alone(collection, space.name, space.space_id, failure)
            return False
        if len(jobs) > 1:
            return all(self._embed(collection, space, [job]) for job in jobs)
        self._fail(collection, space, jobs[0], error)
        return True

    def _fail(self, collection: str, space: KnownSpace, job: Job, error: Exception) -> None:
        later = None
        if isinstance(error, ModelUnavailable):
            later = timedelta(seconds=RETRY_SECONDS * 6 ** (job.attempts - 1))
        reason = " ".join(str(error).split()) or type(error).__name__
        outcome = self._call("fail_job", job_id=job.job_id, error=reason, retry_after=later)
        values = {"collection": collection, "space": space.name, "job": job.job_id}
        kind = type(error).__name__  # the message may quote the text
        logger.warning(Event(outcome or "gone", **values, chunks=len(job.chunk_ids), error=kind))
