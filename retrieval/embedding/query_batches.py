"""Embeds together what concurrent searches ask for: a model takes 16 queries in the time of four.

Nothing waits for company: a query that comes alone is embedded at once, and what has come by the
time that a batch is done is the next one.
"""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import NamedTuple

from retrieval.embedding.embedder import BatchingEmbedder, Embedding
from retrieval.errors import ModelUnavailable
from retrieval.observing import Observer, observer

MOST_QUERIES = 32
# Padded, as a model computes a batch: a long query among 31 short ones would take fifty times as
# long as the 32 by themselves.
MOST_CHARACTERS = 4_096


class _Waiting(NamedTuple):
    query: str
    future: "Future[Embedding]"
    observer: Observer


class QueryBatches:
    """The queries that wait for one embedder; may be submitted from several threads at once."""

    def __init__(self, embedder: BatchingEmbedder) -> None:
        self.embedder = embedder
        self._waiting: deque[_Waiting] = deque()
        self._lock = Lock()
        at_once: int | None = getattr(embedder, "queries_at_once", None)
        self._own_threads = at_once and ThreadPoolExecutor(at_once, "queries")

    def submit(self, query: str) -> "Future[Embedding]":
        """The embedding of a query, once it is there."""
        waiting = _Waiting(query, Future(), observer())
        with self._lock:
            self._waiting.append(waiting)
        (self._own_threads or _model_thread()).submit(self._answer_some)
        return waiting.future

    def _answer_some(self) -> None:
        """Called as often as queries were submitted, and finds nothing where others took them."""
        with self._lock:
            batch = self._taken()
        batch = [each for each in batch if each.future.set_running_or_notify_cancel()]
        try:
            self._answer(batch)
        except BaseException as error:
            # of the process, such as the lack of memory: nobody may wait for ever
            _fail(batch, error)

    def _taken(self) -> list[_Waiting]:
        """The queries that came first, as many as are worth computing together."""
        batch: list[_Waiting] = []
        longest = 0
        while self._waiting and len(batch) < MOST_QUERIES:
            longest = max(longest, len(self._waiting[0].query))
            if batch and longest * (len(batch) + 1) > MOST_CHARACTERS:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        try:
            with batch[0].observer.stage("embed_queries", texts=len(batch)):
                embeddings = self.embedder.embed_queries([each.query for each in batch])
            answers = list(zip(batch, embeddings, strict=True))
        except ModelUnavailable as error:
            _fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
            for each in batch if len(batch) > 1 else ():
                # one of them may be to blame
                self._answer([each])
        else:
            for each, embedding in answers:
                each.future.set_result(embedding)


def _fail(batch: Sequence[_Waiting], error: BaseException) -> None:
    for each in batch:
        if not each.future.done():
            each.future.set_exception(error)


@cache
def _model_thread() -> ThreadPoolExecutor:
    """The one thread in which models of this machine embed queries: each uses all processors."""
    return ThreadPoolExecutor(1, "queries")


if hasattr(os, "register_at_fork"):
    # a child has the pool, but not its thread
    os.register_at_fork(after_in_child=_model_thread.cache_clear)
