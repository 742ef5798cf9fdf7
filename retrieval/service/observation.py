"""Watches every request: its id, its line in the log, its metrics and its trace."""

import asyncio
import logging
import random
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.logs import Event, described_traceback
from retrieval.observing import Observer, Stage, observed_by
from retrieval.service.metrics import Metrics
from retrieval.service.problems import SHUTTING_DOWN, problem_response
from retrieval.service.tracing import Tracing

REQUEST_ID = "x-request-id"
NOT_ANSWERED = 499  # in the log and the metrics: the client has gone, or the service was stopped

_SANE = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})

logger = logging.getLogger("retrieval.service")


@dataclass(frozen=True)
class ServiceObserver(Observer):
    """Measures and traces the work that requests cause."""

    metrics: Metrics
    tracing: Tracing | None
    measured_searches: float

    @contextmanager
    def stage(self, stage: Stage, *, legs: str = "", texts: int = 0) -> Iterator[None]:
        span: AbstractContextManager[None] = nullcontext()
        if self.tracing is not None:
            span = self.tracing.stage(stage, legs=legs, texts=texts)
        with span, self.metrics.timed(stage, legs=legs, texts=texts):
            yield

    def wants_legs(self) -> bool:
        return random.random() < self.measured_searches

    def legs(self, seconds: Sequence[tuple[str, float]]) -> None:
        for leg, spent in seconds:
            self.metrics.legs.labels(leg).observe(spent)

    def cached(self, hits: int, misses: int) -> None:
        self.metrics.cache_hits.inc(hits)
        self.metrics.cache_misses.inc(misses)


class Observation:
    """Middleware around everything else, so that no error gets past it to the server's own log."""

    def __init__(self, app: ASGIApp, observer: ServiceObserver) -> None:
        self.app = app
        self.observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        tracing = self.observer.tracing
        metrics = self.observer.metrics
        span: AbstractContextManager[Any] = tracing.request(scope) if tracing else nullcontext()
        in_flight = metrics.requests_in_flight.track_inprogress()
        with observed_by(self.observer), in_flight, span as traced:
            try:
                await self.app(scope, receive, answer.send)
            except asyncio.CancelledError:  # by the server, which is being stopped
                if answer.status != NOT_ANSWERED:
                    raise
                await self._refuse(scope, receive, answer)
            except Exception as error:
                # the client has its problem by now, or an answer that ends too early
                values = {"request_id": answer.request_id, "error": error}
                logger.error(Event("failed", **values, traceback=described_traceback(error)))
            finally:
                seconds = time.perf_counter() - answer.began
                named = (answer.method, answer.route, answer.status)
                metrics.requests.labels(*map(str, named)).observe(seconds)
                if tracing:
                    tracing.answered(traced, *named, answer.request_id)
                self._log(answer, seconds)

    async def _refuse(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        detail = "the service is being stopped, and the request took too long"
        await problem_response(SHUTTING_DOWN, detail, scope)(scope, receive, answer.send)

    def _log(self, answer: "_Answer", seconds: float) -> None:
        level = logging.DEBUG if answer.route in _PROBES else logging.INFO
        if logger.isEnabledFor(level):
            logger.log(level, answer.event(seconds))


class _Answer:
    """What is known of a request and its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        given = Headers(scope=scope).get(REQUEST_ID, "")
        self.request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        self.began = time.perf_counter()
        self.status = NOT_ANSWERED
        self.bytes = 0
        self._scope = scope
        self._send = send
        scope.setdefault("state", {})["request_id"] = self.request_id

    @property
    def method(self) -> str:
        """The method, if it is one."""
        method: str = self._scope["method"]
        return method if method in _METHODS else "OTHER"

    @property
    def route(self) -> str:
        """The path with names in the place of what is asked for."""
        return getattr(self._scope.get("route"), "path_format", None) or "unmatched"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self.request_id
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)

    def event(self, seconds: float) -> Event:
        """The line of the request."""
        return Event(
            "request",
            request_id=self.request_id,
            method=self.method,
            route=self.route,
            status=self.status,
            milliseconds=round(seconds * 1000, 1),
            bytes=self.bytes,
            key_id=getattr(self._scope["state"].get("api_key"), "api_key_id", None),
        )
