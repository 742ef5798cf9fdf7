"""The retriever: everything that a Python program does with collections."""

import copy
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Select, select
from sqlalchemy.orm import Session

from retrieval import database, generation, orm
from retrieval.chunking import Chunking
from retrieval.database.liveness import may_be_repeated
from retrieval.database.replica import BEHIND, CURRENT_LSN, Replica, checked_lsn, once_replayed
from retrieval.database.transaction_settings import (
    NO_PARAMETERS,
    RESET_ROLE,
    TransactionSettings,
    beginning,
)
from retrieval.document import Modality
from retrieval.embedding import Embedder, create_embedder
from retrieval.embedding.spaces import KnownSpaces
from retrieval.errors import DatabaseError
from retrieval.golden_sets.golden_sets import GoldenSets
from retrieval.ingestion import (
    ContextWriter,
    IngestOptions,
    IngestReport,
    IngestRun,
    Progress,
    Source,
)
from retrieval.search import statements
from retrieval.search.document_methods import DocumentMethods
from retrieval.search.loaded_models import LoadedModel, load_models_steps
from retrieval.search.results import CollectionSummary
from retrieval.search.search_methods import SearchMethods
from retrieval.search.searches import Searches, rows
from retrieval.search.settings_methods import SettingsMethods
from retrieval.settings import Settings
from retrieval.signals.methods import SignalMethods
from retrieval.spaces.spaces import Spaces
from retrieval.steps import Read, Result, Steps, drive
from retrieval.worker.jobs import (
    FailedJob,
    JobCounts,
    count_jobs_statement,
    failed_jobs_statement,
    retry_jobs_statement,
)


class Retriever(SearchMethods, DocumentMethods, SettingsMethods, SignalMethods):
    """Searches and fills collections in one PostgreSQL database.

    Every method takes the caller's own `connection` (a SQLAlchemy Connection or Session) and then
    neither commits nor rolls back; without one it runs in a transaction of its own.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        embedder: Embedder | None = None,
        replica: Engine | None = None,
    ) -> None:
        self.engine = engine
        self._replica = None if replica is None else Replica(replica)
        self._minimum_lsn: str | None = None
        self._settings = TransactionSettings()
        self._spaces = KnownSpaces(embedder)
        self._searches = Searches(self._spaces)
        self.spaces = Spaces(self._drive, self._spaces)
        self.golden_sets = GoldenSets(self._drive)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        embedder: Embedder | None = None,
        replica_url: str | None = None,
    ) -> Self:
        """Connect to the URL, to RETRIEVAL_DATABASE_URL, or to the embedded server.

        The embedded server's schema is created and upgraded as needed; another database must have
        been prepared with `retrieval init`, otherwise SchemaMismatch is raised.

        Searches, and whatever else only reads, go to the replica: `replica_url`, or where no URL is
        given RETRIEVAL_REPLICA_URL. The primary takes them while the replica does not answer.
        """
        engine, replica = database.open_engine(url), database.open_replica(url, replica_url)
        retriever = cls(engine, embedder=embedder, replica=replica)
        try:
            with retriever._connection(None) as connection:
                database.prepare_schema(connection, upgrade=database.is_embedded(url))
        except BaseException:
            retriever.close()
            raise
        return retriever

    @property
    def replica_engine(self) -> Engine | None:
        """The engine of the replica, where there is one."""
        return None if self._replica is None else self._replica.engine

    def for_tenant(self, tenant: str, *, role: str | None = None) -> Self:
        """A retriever on the same connections whose every transaction is one of this tenant.

        It finds, writes and counts what belongs to the tenant, and nothing else; "" is what belongs
        to none. With a `role`, such as retrieval_reader, it has the rights of that role alone. In a
        transaction of the caller's both hold until that ends.
        """
        bound = self._copy()
        bound._settings = replace(self._settings, tenant=tenant, role=role)
        return bound

    def at_least(self, lsn: str) -> Self:
        """A retriever on the same connections that sees what was written up to a position.

        That is one of the database's log, as `lsn` returns it after a write. What reads waits for
        the replica to come so far, RETRIEVAL_REPLICA_WAIT_SECONDS at most, and then goes to the
        primary. Without a replica, nothing ever waits.
        """
        bound = self._copy()
        bound._minimum_lsn = checked_lsn(lsn)
        return bound

    def lsn(self) -> str:
        """A position in the database's log behind everything that has been written so far."""
        with self._connection(None) as connection:
            return str(connection.scalar(CURRENT_LSN))

    def _copy(self) -> Self:
        bound = copy.copy(self)
        bound.spaces = Spaces(bound._drive, self._spaces)
        bound.golden_sets = GoldenSets(bound._drive)
        return bound

    def read_only(self) -> Self:
        """A retriever on the same connections whose every transaction refuses to write."""
        bound = self._copy()
        bound._settings = replace(self._settings, read_only=True)
        return bound

    def with_statement_timeout(self, seconds: float) -> Self:
        """A retriever on the same connections whose statements may each take so long.

        DatabaseTimeout is what one that takes longer ends in; 0 is without end. What cannot run
        inside of a transaction, such as the building of an index, is not bound.
        """
        bound = self._copy()
        bound._settings = replace(self._settings, statement_timeout=seconds)
        return bound

    def load_models(self, *, connection: Connection | Session | None = None) -> list[LoadedModel]:
        """Load the models of active spaces, so that no search has to wait for that.

        Where there are none, it is the default model. What cannot be loaded is in the result.
        """
        return self._drive(load_models_steps(self._spaces), connection)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()
        if self._replica is not None:
            self._replica.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _connection(
        self, given: Connection | Session | None, autocommit: bool = False
    ) -> Iterator[Connection]:
        with database.translate_errors():
            if given is not None:
                yield self._entered(given.connection() if isinstance(given, Session) else given)
            elif autocommit:
                with self.engine.connect() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                    if self._settings.role is None:
                        yield connection
                        return
                    connection.execute(self._settings.session_statement())
                    try:
                        yield connection
                    finally:
                        if not connection.invalidated:
                            connection.execute(RESET_ROLE)
            else:
                with self.engine.begin() as connection:
                    yield self._entered(connection)

    def _entered(self, connection: Connection) -> Connection:
        if not self._settings.is_empty:
            connection.execute(self._settings.statement())
        return connection

    @contextmanager
    def _reading(self, engine: Engine, transaction: bool) -> Iterator[Connection]:
        """A connection for what only reads, in a transaction where that or a setting asks."""
        with database.translate_errors(), engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            if self._settings.is_empty and not transaction:
                yield connection
                return
            begin = beginning(self._settings)
            connection.exec_driver_sql(begin, execution_options=NO_PARAMETERS)
            yield connection
            connection.exec_driver_sql("commit")

    def _read(self, step: Read) -> Any:
        if self._replica is not None:
            attempt = once_replayed(step.run, self._minimum_lsn)
            for pause in self._replica.attempts():
                time.sleep(pause)
                with self._replica.attempt():
                    with self._reading(self._replica.engine, step.transaction) as connection:
                        found = attempt(connection)
                    if found is not BEHIND:
                        return found
        try:
            return self._read_primary(step)
        except DatabaseError as error:
            if not may_be_repeated(error):
                raise
        return self._read_primary(step)

    def _read_primary(self, step: Read) -> Any:
        with self._reading(self.engine, step.transaction) as connection:
            return step.run(connection)

    def _drive(self, steps: Steps[Result], connection: Connection | Session | None) -> Result:
        if connection is not None:
            return drive(steps, partial(self._connection, connection), alone=True)
        return drive(steps, partial(self._connection, None), read=self._read)

    def create_collection(
        self,
        name: str,
        *,
        embedder: Embedder | None = None,
        text_config: str = "english",
        modality: Modality | None = None,
        chunking: Chunking | None = None,
        connection: Connection | Session | None = None,
    ) -> None:
        """Create a collection with a space for the embedder (without one, the default model's).

        The space is one of texts, unless the modality is "image": see the method spaces.create.
        `chunking` says how its documents are cut; see `set_chunking`.
        """
        chosen = embedder or self._spaces.embedder or create_embedder(Settings().model)
        with self._connection(connection) as used:
            for statement in statements.create_collection_statements(
                name, text_config, chosen, modality, chunking
            ):
                used.execute(statement)
        self._spaces.remember(chosen)

    def drop_collection(self, name: str, *, connection: Connection | Session | None = None) -> None:
        """Remove a collection with everything in it."""
        with self._connection(connection) as used:
            used.execute(select(orm.call("drop_collection", name=name)))
        self._spaces.forget(name)
        self._searches.default_rerankers.forget(name)

    def set_chunking(
        self,
        collection: str,
        chunking: Chunking | None,
        *,
        connection: Connection | Session | None = None,
    ) -> None:
        """Set how the documents of a collection are cut, from the next ingestion of each on.

        None returns to the default.
        """
        with self._connection(connection) as used:
            used.execute(statements.set_chunking_statement(collection, chunking))

    def collections(
        self, *, connection: Connection | Session | None = None
    ) -> list[CollectionSummary]:
        """Every collection with its size and model, by name."""
        found = self._drive(rows(statements.collections_statement()), connection)
        return [CollectionSummary(**row._mapping) for row in found]

    def read(
        self, statement: Select[Any], *, connection: Connection | Session | None = None
    ) -> list[Any]:
        """The rows of a statement of the caller's that only reads, asked where searches are."""
        return self._drive(rows(statement), connection)

    def ingest(
        self,
        collection: str,
        sources: Iterable[Source] | Source,
        *,
        chunking: Chunking | None = None,
        detect_language: bool = False,
        prune: bool = False,
        dry_run: bool = False,
        contextualise: bool = False,
        chat: generation.ChatModel | str | None = None,
        on_progress: Progress | None = None,
        connection: Connection | Session | None = None,
    ) -> IngestReport:
        """Store files, folders and documents; what has not changed since the last time is skipped.

        Documents are stored whole, some at a time, each batch in a transaction of its own unless a
        connection is given. What cannot be read or stored is named in the report; the rest goes on.
        `chunking` takes the place of the collection's, for this call. With `detect_language`, a
        document that says neither its language nor a text configuration gets both, where its text
        leaves no doubt. With `prune`, documents that came from the given files and folders and are
        not there any more are removed. With `dry_run` nothing is written, and the report lists the
        changes. `on_progress(done, total)` counts documents; of an iterator the total is what came
        so far.

        With `contextualise` a language model (`chat`, else that of the settings) writes where each
        chunk stands in its document; that is embedded and indexed with the chunk, and kept, so that
        it is asked only once. The report warns of chunks that the model did not answer for.
        """
        contexts = ContextWriter(chat) if contextualise else None
        # another process may have made another space the active one
        self._spaces.forget(collection)
        options = IngestOptions(
            chunking=chunking,
            detect_language=detect_language,
            contexts=contexts,
            prune=prune,
            dry_run=dry_run,
        )
        run = IngestRun(collection, sources, self._spaces, options, on_progress)
        return self._drive(run.steps(), connection)

    def delete(
        self,
        collection: str,
        document_keys: Sequence[str],
        *,
        connection: Connection | Session | None = None,
    ) -> int:
        """Delete documents by their keys; returns how many there were."""
        with self._connection(connection) as used:
            called = orm.call(
                "delete_documents", collection=collection, document_keys=list(document_keys)
            )
            return int(used.execute(select(called)).scalar_one())

    def jobs(
        self, collection: str | None = None, *, connection: Connection | Session | None = None
    ) -> list[JobCounts]:
        """The spaces for which chunks wait for a worker, or were embedded by one of late."""
        with self._connection(connection) as used:
            found = used.execute(count_jobs_statement(collection))
            return [JobCounts(**row._mapping) for row in found]

    def failed_jobs(
        self,
        collection: str | None = None,
        *,
        max_results: int = 100,
        connection: Connection | Session | None = None,
    ) -> list[FailedJob]:
        """Chunks that workers could not embed, and why."""
        with self._connection(connection) as used:
            found = used.execute(failed_jobs_statement(collection, max_results))
            return [FailedJob(**row._mapping) for row in found]

    def retry_jobs(
        self,
        collection: str | None = None,
        space: str | None = None,
        *,
        connection: Connection | Session | None = None,
    ) -> int:
        """Let workers try again what failed; returns how many jobs that are."""
        with self._connection(connection) as used:
            return int(used.execute(retry_jobs_statement(collection, space)).scalar_one())

    def answer(
        self,
        collection: str,
        question: str,
        *,
        chat: generation.ChatModel | str | None = None,
        max_tokens: int = generation.DEFAULT_MAX_TOKENS,
        template: str | None = None,
        **search: Any,
    ) -> generation.Answer:
        """Search, and let a language model answer from what was found, with citations.

        `search` are the other arguments of the method of that name; see `retrieval.answer` for the
        rest.
        """
        model = generation.chat_model(chat)
        hits = self.search(collection, question, **search)
        return generation.answer(question, hits, model, max_tokens=max_tokens, template=template)
