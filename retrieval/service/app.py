"""The application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

import retrieval
from retrieval.search import AsyncRetriever
from retrieval.service.body_limit import BodyLimit
from retrieval.service.problems import PROBLEM_MEDIA_TYPE, install_problem_handlers
from retrieval.service.routes import routers
from retrieval.settings import Settings

TAGS = [
    {"name": "collections", "description": "Named bodies of documents."},
    {"name": "documents", "description": "What is stored, each under its key."},
    {"name": "chunks", "description": "The pieces of documents that are indexed and found."},
    {"name": "search", "description": "Keyword, semantic and hybrid search."},
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
            _mark_problems(super().openapi())
        assert self.openapi_schema is not None
        return self.openapi_schema


def create_app(retriever: AsyncRetriever | None = None) -> FastAPI:
    """The service over the caller's retriever, or over one opened from the settings.

    A retriever that is given stays the caller's to close.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if retriever is not None:
            yield
            return
        async with await AsyncRetriever.open() as app.state.retriever:
            yield

    app = Service(
        title="retrieval",
        summary="Keyword, semantic and hybrid search inside PostgreSQL.",
        version=retrieval.__version__,
        openapi_tags=TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.retriever = retriever
    app.add_middleware(BodyLimit, maximum_bytes=Settings().maximum_body_bytes)
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
