"""Loads the models of active spaces when the service starts, so that no search waits for one."""

import asyncio
import logging
from collections.abc import Sequence

from retrieval.logs import Event, described_traceback
from retrieval.search import AsyncRetriever
from retrieval.search.loaded_models import LoadedModel
from retrieval.worker.backoff import Backoff

logger = logging.getLogger(__name__)


class WarmUp:
    """Tries until the default model is loaded, or there is none among those that are needed.

    A model that only some spaces need keeps nobody else from being served: searches in those spaces
    say that it is missing.
    """

    def __init__(self) -> None:
        self.is_done = True
        self.state = "loaded when it is first needed"

    def start(self, retriever: AsyncRetriever) -> "asyncio.Task[None]":
        """Begin to load what is needed; the task goes on where that does not work."""
        self.is_done = False
        self.state = "still being loaded"
        return asyncio.create_task(self._run(retriever))

    async def _run(self, retriever: AsyncRetriever) -> None:
        waits = Backoff()
        while not self.is_done:
            try:
                self._take(await retriever.load_models())
            except Exception as error:  # of the database, or whatever a library meets in a model
                where = described_traceback(error)
                logger.warning(Event("not_warmed_up", error=error, traceback=where))
            if not self.is_done:
                await asyncio.sleep(waits.fail())

    def _take(self, models: Sequence[LoadedModel]) -> None:
        failed = [each for each in models if each.error is not None]
        for each in failed:
            logger.warning(Event("model_unavailable", model=each.model, error=each.error))
        self.is_done = not any(each.is_default for each in failed)
        if not self.is_done:
            self.state = "cannot be loaded"
        elif failed:
            self.state = f"loaded, but of {len(models)} models {len(failed)} are not there"
        else:
            self.state = "loaded"
            logger.info(Event("models_loaded", models=len(models)))
