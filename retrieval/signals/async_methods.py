"""What a retriever does with logged queries and clicks, for asyncio."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from retrieval.search.results import DocumentHit, Hit
from retrieval.signals.results import (
    ClickJudgement,
    LowScoreQuery,
    QueryClicks,
    QueryReport,
    ZeroResultQuery,
)
from retrieval.signals.steps import (
    forget_steps,
    log_click_steps,
    log_query_steps,
    logging_steps,
    report_steps,
    set_logging_steps,
)
from retrieval.steps import Result, Steps

Caller = AsyncConnection | AsyncSession | None


class AsyncSignalMethods:
    """The log of queries and clicks of `AsyncRetriever`, and what it says.

    Reports are of the retriever's tenant, from `since` (inclusive) until `until` (exclusive),
    without them as far as the log goes back.
    """

    async def _drive(self, steps: Steps[Result], connection: Caller) -> Result:
        raise NotImplementedError

    async def set_query_logging(
        self,
        collection: str,
        retention: timedelta | None = timedelta(days=90),
        *,
        connection: Caller = None,
    ) -> None:
        """Let `log_query` and `log_click` keep what is asked of a collection, for so long.

        None turns it off; what was logged stays until its retention has passed, unless
        `forget_queries` removes it.
        """
        await self._drive(set_logging_steps(collection, retention), connection)

    async def logs_queries(self, collection: str, *, connection: Caller = None) -> bool:
        """Whether queries of a collection are logged."""
        return await self._drive(logging_steps(collection), connection)

    async def log_query(
        self,
        collection: str,
        query: str,
        hits: Sequence[Hit | DocumentHit],
        *,
        details: Mapping[str, Any] | None = None,
        query_id: str | None = None,
        connection: Caller = None,
    ) -> str | None:
        """Keep a query with the hits that were shown; the id that `log_click` takes.

        Where the collection's queries are not logged, nothing is kept and None is returned.
        `details` may say `milliseconds`, `result_offset` and `settings`, under which queries are
        compared by their scores: a reranker's where there is one, else the semantic similarity,
        else the score. `query_id` is a new UUID of the caller's. Without a `connection` the
        transaction does not wait for the disk: what is logged in the moment before the server
        crashes may be lost.
        """
        steps = log_query_steps(
            collection, query, hits, details, query_id, own_transaction=connection is None
        )
        return await self._drive(steps, connection)

    async def log_click(
        self,
        query_id: str,
        document_key: str,
        *,
        collection: str | None = None,
        connection: Caller = None,
    ) -> bool:
        """Keep that a document was opened from the answer to a query; whether that is new.

        NotFound where the query is unknown or its retention has passed, InvalidInput where the
        document was not shown.
        """
        steps = log_click_steps(
            query_id, document_key, collection, own_transaction=connection is None
        )
        return await self._drive(steps, connection)

    async def forget_queries(
        self,
        collection: str,
        *,
        before: datetime | None = None,
        query: str | None = None,
        connection: Caller = None,
    ) -> int:
        """Remove the tenant's logged queries: those before a time, or like a query, or all."""
        return await self._drive(forget_steps(collection, before, query), connection)

    async def query_report(
        self,
        collection: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        connection: Caller = None,
    ) -> QueryReport:
        """How many queries there were, and how they fared."""
        steps = report_steps(
            "query_report", QueryReport, collection=collection, since=since, until=until
        )
        (report,) = await self._drive(steps, connection)
        return report

    async def zero_result_queries(
        self,
        collection: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        max_results: int = 100,
        connection: Caller = None,
    ) -> list[ZeroResultQuery]:
        """Queries that found nothing, the most frequent first."""
        steps = report_steps(
            "zero_result_queries",
            ZeroResultQuery,
            collection=collection,
            since=since,
            until=until,
            max_results=max_results,
        )
        return await self._drive(steps, connection)

    async def low_score_queries(
        self,
        collection: str,
        *,
        share: float = 0.1,
        since: datetime | None = None,
        until: datetime | None = None,
        max_results: int = 100,
        connection: Caller = None,
    ) -> list[LowScoreQuery]:
        """Queries whose best score is among the lowest share of those under the same settings."""
        steps = report_steps(
            "low_score_queries",
            LowScoreQuery,
            collection=collection,
            share=share,
            since=since,
            until=until,
            max_results=max_results,
        )
        return await self._drive(steps, connection)

    async def query_clicks(
        self,
        collection: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        max_results: int = 100,
        connection: Caller = None,
    ) -> list[QueryClicks]:
        """What became of each query that found something, the most frequent first."""
        steps = report_steps(
            "query_clicks",
            QueryClicks,
            collection=collection,
            since=since,
            until=until,
            max_results=max_results,
        )
        return await self._drive(steps, connection)

    async def click_judgements(
        self,
        collection: str,
        *,
        minimum_clicks: int = 5,
        since: datetime | None = None,
        until: datetime | None = None,
        connection: Caller = None,
    ) -> list[ClickJudgement]:
        """Weak judgements: documents that were opened more often than their place explains.

        Each was opened after `minimum_clicks` searches at least. By query, the best first.
        """
        steps = report_steps(
            "click_judgements",
            ClickJudgement,
            collection=collection,
            minimum_clicks=minimum_clicks,
            since=since,
            until=until,
        )
        return await self._drive(steps, connection)
