"""What an application knows of its own running."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from retrieval.search import AsyncRetriever
from retrieval.service.backlog import Backlog
from retrieval.service.metrics import Metrics
from retrieval.service.observation import ServiceObserver
from retrieval.service.pool_metrics import PoolCollector
from retrieval.service.query_log import QueryLog
from retrieval.service.tracing import open_tracing
from retrieval.service.warm_up import WarmUp
from retrieval.settings import Settings


class Operations:
    """Metrics, traces and readiness of one application, in its `state.operations`."""

    def __init__(self, settings: Settings) -> None:
        self.is_draining = False
        self._is_warmed_up = settings.warm_up
        self.metrics = Metrics()
        self.observer = ServiceObserver(self.metrics, open_tracing(), settings.measured_searches)
        self.backlog = Backlog(self.metrics)
        self.query_log = QueryLog(self.metrics.queries_logged)
        self.warm_up = WarmUp()
        self.pools = PoolCollector()
        self.metrics.registry.register(self.pools)

    @asynccontextmanager
    async def running(self, retriever: AsyncRetriever) -> AsyncIterator[None]:
        """From the start of the application, when models are loaded, to its end."""
        self.pools.engines["primary"] = retriever.engine
        if retriever.replica_engine is not None:
            self.pools.engines["replica"] = retriever.replica_engine
        warming = self.warm_up.start(retriever) if self._is_warmed_up else None
        try:
            yield
        finally:
            self.is_draining = True
            if warming is not None:
                warming.cancel()
                with suppress(asyncio.CancelledError):
                    await warming
            await self.query_log.finish()
            if self.observer.tracing is not None:
                await asyncio.to_thread(self.observer.tracing.close)
