"""Logs searches where a collection has opted in, beside their answers: none waits for that."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import Counter

from retrieval.errors import RetrievalError
from retrieval.logs import Event, described_traceback
from retrieval.search import AsyncRetriever, DocumentHit, Hit
from retrieval.service.search_schemas import DocumentSearch, Search

SECONDS = 30.0  # that what is known of a collection serves
AT_ONCE = 2  # connections that searches can spare
MOST_WAITING = 1000
PATIENCE = 10.0  # at the end, for what is still to be stored
LONGEST = 8000  # characters of a filter, or of all settings, that are kept

# of a search, what says nothing of the scale of its scores
_NO_SETTINGS = {"query", "metadata_filter", "max_results", "result_offset", "highlight", "log"}
_QUERIES = {"query_embedding", "query_sparse", "query_tokens"}

logger = logging.getLogger(__name__)


class QueryLog:
    """Knows which collections are logged, and stores what was asked in the background.

    A log that cannot be written costs nothing but its lines: that is counted, and never fails a
    search. Where more comes than can be stored, what comes is dropped.
    """

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._known: dict[str, tuple[bool, float]] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    def forget(self, collection: str) -> None:
        """Ask the database again whether the collection is logged."""
        self._known.pop(collection, None)

    async def begin(
        self,
        retriever: AsyncRetriever,
        collection: str,
        body: Search | DocumentSearch,
        hits: Sequence[Hit | DocumentHit],
        milliseconds: float,
    ) -> dict[str, UUID]:
        """The field of the answer that clicks name it by; none where it is not logged."""
        if not body.log or not await self._is_on(retriever, collection):
            return {}
        if len(self._under_way) >= MOST_WAITING:
            self._counter.labels("dropped").inc()
            return {}
        query_id = uuid4()
        details = _details(body, milliseconds)
        stored = self._store(retriever, collection, body.query, hits, details, str(query_id))
        task = asyncio.create_task(stored)
        self._under_way[str(query_id)] = task
        task.add_done_callback(lambda _: self._under_way.pop(str(query_id), None))
        return {"query_id": query_id}

    async def settled(self, query_id: UUID) -> None:
        """Return when a query is stored that this process may still have in hand."""
        task = self._under_way.get(str(query_id))
        if task is not None:
            await asyncio.wait({task})

    async def finish(self) -> None:
        """Store what is still to be stored, unless that takes too long."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way.values(), timeout=PATIENCE)
            for task in late:
                task.cancel()
                self._counter.labels("dropped").inc()

    async def _is_on(self, retriever: AsyncRetriever, collection: str) -> bool:
        is_on, until = self._known.get(collection, (False, float("-inf")))
        if time.monotonic() < until:
            return is_on
        # others go by what was known meanwhile
        self._known[collection] = (is_on, time.monotonic() + SECONDS)
        try:
            is_on = await retriever.logs_queries(collection)
        except BaseException as error:
            self.forget(collection)
            if not isinstance(error, RetrievalError):
                raise
            logger.warning(Event("query_logging_unknown", collection=collection, error=error))
            return False
        self._known[collection] = (is_on, time.monotonic() + SECONDS)
        return is_on

    async def _store(
        self,
        retriever: AsyncRetriever,
        collection: str,
        query: str,
        hits: Sequence[Hit | DocumentHit],
        details: Mapping[str, Any],
        query_id: str,
    ) -> None:
        try:
            async with self._places:
                await retriever.log_query(
                    collection, query, hits, details=details, query_id=query_id
                )
        except Exception as error:  # nobody waits for it: unless it is caught, its text is logged
            where = None if isinstance(error, RetrievalError) else described_traceback(error)
            values = {"collection": collection, "error": error, "traceback": where}
            logger.warning(Event("query_not_logged", **values))
            self._counter.labels("failed").inc()
        else:
            self._counter.labels("stored").inc()


def _details(body: Search | DocumentSearch, milliseconds: float) -> dict[str, Any]:
    """What is kept beside the query: filter, page, time, and what decides over its scores."""
    settings = body.model_dump(
        exclude=_NO_SETTINGS | _QUERIES, exclude_defaults=True, exclude_none=True
    )
    if isinstance(body, DocumentSearch):
        settings["documents"] = True
    details: dict[str, Any] = {
        "milliseconds": round(milliseconds, 2),
        "result_offset": getattr(body, "result_offset", None) or 0,
    }
    for name, value in (("settings", settings), ("metadata_filter", body.metadata_filter)):
        if value and len(json.dumps(value)) <= LONGEST:
            details[name] = value
    return details
