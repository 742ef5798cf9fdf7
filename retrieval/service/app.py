"""The application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

import retrieval
from retrieval.search import AsyncRetriever
from retrieval.service.abandonment import Abandonment
from retrieval.service.authentication import announce_missing_key
from retrieval.service.body_limit import BodyLimit
from retrieval.service.described_security import describe_security
from retrieval.service.observation import Observation
from retrieval.service.operations import Operations
from retrieval.service.overload import limit_load
from retrieval.service.problems import PROBLEM_MEDIA_TYPE, install_problem_handlers
from retrieval.service.routes import routers
from retrieval.service.security import install_security
from retrieval.service.security_headers import SecurityHeaders
from retrieval.settings import Settings

TAGS = [
    {"name": "collections", "description": "Named bodies of documents."},
    {"name": "documents", "description": "What is stored, each under its key."},
    {"name": "chunks", "description": "The pieces of documents that are indexed and found."},
    {"name": "search", "description": "Keyword, semantic and hybrid search."},
    {"name": "golden sets", "description": "Judged queries, to measure searches with."},
    {"name": "signals", "description": "What is asked and opened, where that is logged."},
    {"name": "embeddings", "description": "Vectors by the model of a collection."},
    {"name": "spaces", "description": "The embedding models of a collection."},
    {"name": "jobs", "description": "What waits for a worker."},
    {"name": "health", "description": "For load balancers and orchestrators."},
]


class Service(FastAPI):
    """FastAPI, whose description gives errors their media type."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI description."""
        if self.openapi_schema is None:
            description = super().openapi()
            describe_security(description)
            _mark_problems(description)
        assert self.openapi_schema is not None
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """What a request goes through: watched from outside, with headers on every failure too."""
        guarded = SecurityHeaders(super().build_middleware_stack())
        return Observation(guarded, self.state.operations.observer)


def create_app(retriever: AsyncRetriever | None = None) -> FastAPI:
    """The service over the caller's retriever, or over one opened from the settings.

    A retriever that is given stays the caller's to close.
    """

    settings = Settings()
    operations = Operations(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if retriever is not None:
            async with operations.running(retriever):
                yield
            return
        async with await AsyncRetriever.open() as opened:
            app.state.retriever = opened
            if app.state.authentication is not None:
                await announce_missing_key(opened)
            async with operations.running(opened):
                yield

    app = Service(
        title="retrieval",
        summary="Keyword, semantic and hybrid search inside PostgreSQL.",
        version=retrieval.__version__,
        openapi_tags=TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # see tracing.py
    )
    app.state.retriever = retriever
    app.state.operations = operations
    app.state.statement_timeout = settings.statement_timeout_seconds
    app.add_middleware(BodyLimit, maximum_bytes=settings.maximum_body_bytes)
    app.add_middleware(Abandonment)
    limit_load(app)
    install_security(app, settings)
    install_problem_handlers(app)
    for router in routers:
        app.include_router(router)
    return app


def _mark_problems(description: dict[str, Any]) -> None:
    for operations in description["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    content = response["content"]
                    content[PROBLEM_MEDIA_TYPE] = content.pop("application/json")
