"""Traces for OpenTelemetry, where it is installed and asked for.

The spans are made here rather than by the instrumentations of FastAPI and SQLAlchemy, which write
the messages of exceptions and the queries of URLs into spans: those quote documents.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.types import Scope

from retrieval.errors import ConfigurationError
from retrieval.logs import Event
from retrieval.observing import Stage
from retrieval.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

logger = logging.getLogger(__name__)


class Tracing:
    """Spans of requests, and of the parts of their work inside of them."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import propagate, trace

        self._provider = provider
        self._tracer = provider.get_tracer("retrieval")
        self._extract = propagate.extract
        self._server = trace.SpanKind.SERVER
        self._failed = trace.StatusCode.ERROR

    @contextmanager
    def request(self, scope: Scope) -> Iterator["Span"]:
        """The span of a request, part of the caller's trace where its headers name one."""
        with self._tracer.start_as_current_span(
            scope["method"],
            context=self._extract(Headers(scope=scope)),
            kind=self._server,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def answered(self, span: "Span", method: str, route: str, status: int, request_id: str) -> None:
        """Say of a request what is known at its end."""
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "retrieval.request_id": request_id,
            }
        )
        if status >= 500:
            span.set_status(self._failed)

    @contextmanager
    def stage(self, stage: Stage, *, legs: str = "", texts: int = 0) -> Iterator[None]:
        """The span of a part of the work."""
        attributes: dict[str, Any] = {"retrieval.legs": legs} if legs else {}
        if texts:
            attributes["retrieval.texts"] = texts
        with self._tracer.start_as_current_span(
            stage, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(self._failed)
                raise

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


def open_tracing() -> Tracing | None:
    """Traces by OTLP over HTTP, to where the environment's variables of OpenTelemetry say."""
    wanted = Settings().opentelemetry
    if wanted == "off" or (wanted == "auto" and not any(map(os.environ.get, ENDPOINTS))):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        message = "OpenTelemetry is not installed: pip install 'retrieval[opentelemetry]'"
        if wanted == "on":
            raise ConfigurationError(message) from error
        logger.warning(Event("no_tracing", reason=message))
        return None
    # the name of the service in the environment comes first
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "retrieval"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
