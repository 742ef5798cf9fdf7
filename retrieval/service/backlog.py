"""How much waits for workers, asked when /metrics is, and not more often than needed."""

import asyncio
import logging
import time
from datetime import UTC, datetime

from retrieval.errors import RetrievalError
from retrieval.logs import Event
from retrieval.search import AsyncRetriever
from retrieval.service.metrics import Metrics

SECONDS = 10.0  # that an answer serves
PATIENCE = 2.0

logger = logging.getLogger(__name__)


class Backlog:
    """Brings the metrics of jobs up to date. Without an answer there are none, rather than old."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def refresh(self, retriever: AsyncRetriever) -> None:
        """Ask the database, unless it was asked a moment ago."""
        async with self._lock:
            if time.monotonic() - self._asked < SECONDS:
                return
            try:
                async with asyncio.timeout(PATIENCE):
                    counts = await retriever.jobs()
            except (RetrievalError, TimeoutError) as error:
                logger.warning(Event("backlog_unknown", error=error))
                self._metrics.jobs.clear()
                self._metrics.oldest_job.set(float("nan"))
                self._asked = time.monotonic()
                return
            self._asked = time.monotonic()
        for state in ("pending", "running", "failed"):
            self._metrics.jobs.labels(state).set(sum(getattr(each, state) for each in counts))
        oldest = min((each.oldest for each in counts if each.oldest), default=None)
        waited = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        self._metrics.oldest_job.set(waited)
