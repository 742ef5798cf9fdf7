"""The retriever: everything that a Python program does with collections."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from retrieval import database, generation, orm
from retrieval.embedding import Embedder, create_embedder
from retrieval.embedding.spaces import KnownSpaces
from retrieval.ingestion import ContextWriter, IngestReport, IngestRun, Progress, Source
from retrieval.search import statements
from retrieval.search.results import CollectionSummary
from retrieval.search.search_methods import SearchMethods
from retrieval.search.searches import Searches
from retrieval.settings import Settings
from retrieval.spaces.spaces import Spaces
from retrieval.steps import Result, Steps, drive


class Retriever(SearchMethods):
    """Searches and fills collections in one PostgreSQL database.

    Every method takes the caller's own `connection` (a SQLAlchemy Connection or Session) and then
    neither commits nor rolls back; without one it runs in a transaction of its own.
    """

    def __init__(self, engine: Engine, *, embedder: Embedder | None = None) -> None:
        self.engine = engine
        self._spaces = KnownSpaces(embedder)
        self._searches = Searches(self._spaces)
        self.spaces = Spaces(self._drive, self._spaces)

    @classmethod
    def open(cls, url: str | None = None, *, embedder: Embedder | None = None) -> Self:
        """Connect to the URL, to RETRIEVAL_DATABASE_URL, or to the embedded server.

        The embedded server's schema is created and upgraded as needed; another database must have
        been prepared with `retrieval init`, otherwise SchemaMismatch is raised.
        """
        retriever = cls(database.open_engine(url), embedder=embedder)
        try:
            with retriever._connection(None) as connection:
                database.prepare_schema(connection, upgrade=database.is_embedded(url))
        except BaseException:
            retriever.close()
            raise
        return retriever

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

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
                yield given.connection() if isinstance(given, Session) else given
            elif autocommit:
                with self.engine.connect() as connection:
                    yield connection.execution_options(isolation_level="AUTOCOMMIT")
            else:
                with self.engine.begin() as connection:
                    yield connection

    def _drive(self, steps: Steps[Result], connection: Connection | Session | None) -> Result:
        return drive(steps, partial(self._connection, connection))

    def create_collection(
        self,
        name: str,
        *,
        embedder: Embedder | None = None,
        text_config: str = "english",
        connection: Connection | Session | None = None,
    ) -> None:
        """Create a collection with a space for the embedder (without one, the default model's)."""
        chosen = embedder or self._spaces.embedder or create_embedder(Settings().model)
        with self._connection(connection) as used:
            for statement in statements.create_collection_statements(name, text_config, chosen):
                used.execute(statement)
        self._spaces.remember(chosen)

    def drop_collection(self, name: str, *, connection: Connection | Session | None = None) -> None:
        """Remove a collection with everything in it."""
        with self._connection(connection) as used:
            used.execute(select(orm.call("drop_collection", name=name)))
        self._spaces.forget(name)

    def collections(
        self, *, connection: Connection | Session | None = None
    ) -> list[CollectionSummary]:
        """Every collection with its size and model, by name."""
        with self._connection(connection) as used:
            rows = used.execute(statements.collections_statement())
            return [CollectionSummary(**row._mapping) for row in rows]

    def ingest(
        self,
        collection: str,
        sources: Iterable[Source] | Source,
        *,
        contextualise: bool = False,
        chat: generation.ChatModel | str | None = None,
        on_progress: Progress | None = None,
        connection: Connection | Session | None = None,
    ) -> IngestReport:
        """Store files, folders and documents; what has not changed since the last time is skipped.

        Documents are stored whole, some at a time, each batch in a transaction of its own unless a
        connection is given. What cannot be read or stored is named in the report; the rest goes on.
        `on_progress(done, total)` counts documents.

        With `contextualise` a language model (`chat`, else that of the settings) writes where each
        chunk stands in its document; that is embedded and indexed with the chunk, and kept, so that
        it is asked only once. The report warns of chunks that the model did not answer for.
        """
        contexts = ContextWriter(chat) if contextualise else None
        # another process may have made another space the active one
        self._spaces.forget(collection)
        run = IngestRun(collection, sources, self._spaces, on_progress, contexts=contexts)
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
