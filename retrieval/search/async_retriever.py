"""The retriever for asyncio: the same names, the same arguments, awaited."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from retrieval import database, generation, orm
from retrieval.embedding import Embedder, create_embedder
from retrieval.embedding.spaces import KnownSpaces
from retrieval.ingestion import ContextWriter, IngestReport, IngestRun, Progress, Source
from retrieval.search import statements
from retrieval.search.async_search_methods import AsyncSearchMethods
from retrieval.search.results import CollectionSummary
from retrieval.search.searches import Searches
from retrieval.settings import Settings
from retrieval.spaces.async_spaces import AsyncSpaces
from retrieval.steps import Result, Steps, drive_async

Caller = AsyncConnection | AsyncSession | None


class AsyncRetriever(AsyncSearchMethods):
    """Searches and fills collections in one PostgreSQL database.

    Every method takes the caller's own `connection` (a SQLAlchemy AsyncConnection or AsyncSession)
    and then neither commits nor rolls back; without one it runs in a transaction of its own.
    """

    def __init__(self, engine: AsyncEngine, *, embedder: Embedder | None = None) -> None:
        self.engine = engine
        self._spaces = KnownSpaces(embedder)
        self._searches = Searches(self._spaces)
        self.spaces = AsyncSpaces(self._drive, self._spaces)

    @classmethod
    async def open(cls, url: str | None = None, *, embedder: Embedder | None = None) -> Self:
        """Connect to the URL, to RETRIEVAL_DATABASE_URL, or to the embedded server.

        The embedded server's schema is created and upgraded as needed; another database must have
        been prepared with `retrieval init`, otherwise SchemaMismatch is raised.
        """
        engine = await asyncio.to_thread(database.open_async_engine, url)
        retriever = cls(engine, embedder=embedder)
        upgrade = database.is_embedded(url)
        try:
            async with retriever._connection(None) as connection:
                await connection.run_sync(database.prepare_schema, upgrade=upgrade)
        except BaseException:
            await retriever.close()
            raise
        return retriever

    async def close(self) -> None:
        """Close the connections."""
        await self.engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def _connection(
        self, given: Caller, autocommit: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        with database.translate_errors():
            if given is not None:
                yield await given.connection() if isinstance(given, AsyncSession) else given
            elif autocommit:
                async with self.engine.connect() as connection:
                    yield await connection.execution_options(isolation_level="AUTOCOMMIT")
            else:
                async with self.engine.begin() as connection:
                    yield connection

    async def _drive(self, steps: Steps[Result], connection: Caller) -> Result:
        return await drive_async(steps, partial(self._connection, connection))

    async def create_collection(
        self,
        name: str,
        *,
        embedder: Embedder | None = None,
        text_config: str = "english",
        connection: Caller = None,
    ) -> None:
        """Create a collection with a space for the embedder (without one, the default model's)."""
        chosen = embedder or self._spaces.embedder or create_embedder(Settings().model)
        create = await asyncio.to_thread(
            statements.create_collection_statements, name, text_config, chosen
        )
        async with self._connection(connection) as used:
            for statement in create:
                await used.execute(statement)
        self._spaces.remember(chosen)

    async def drop_collection(self, name: str, *, connection: Caller = None) -> None:
        """Remove a collection with everything in it."""
        async with self._connection(connection) as used:
            await used.execute(select(orm.call("drop_collection", name=name)))
        self._spaces.forget(name)

    async def collections(self, *, connection: Caller = None) -> list[CollectionSummary]:
        """Every collection with its size and model, by name."""
        async with self._connection(connection) as used:
            rows = await used.execute(statements.collections_statement())
            return [CollectionSummary(**row._mapping) for row in rows]

    async def ingest(
        self,
        collection: str,
        sources: Iterable[Source] | Source,
        *,
        contextualise: bool = False,
        chat: generation.ChatModel | str | None = None,
        on_progress: Progress | None = None,
        connection: Caller = None,
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
        run = await asyncio.to_thread(
            IngestRun, collection, sources, self._spaces, on_progress, contexts=contexts
        )
        return await self._drive(run.steps(), connection)

    async def delete(
        self,
        collection: str,
        document_keys: Sequence[str],
        *,
        connection: Caller = None,
    ) -> int:
        """Delete documents by their keys; returns how many there were."""
        async with self._connection(connection) as used:
            called = orm.call(
                "delete_documents", collection=collection, document_keys=list(document_keys)
            )
            return int((await used.execute(select(called))).scalar_one())

    async def answer(
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
        hits = await self.search(collection, question, **search)
        return await generation.answer_async(
            question, hits, model, max_tokens=max_tokens, template=template
        )
