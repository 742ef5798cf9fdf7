"""The routes, a module for each group."""

from retrieval.service.routes import (
    chunks,
    collection_settings,
    collections,
    documents,
    health,
    jobs,
    search,
    spaces,
)

routers = [
    collections.router,
    collection_settings.router,
    documents.router,
    chunks.router,
    search.router,
    spaces.router,
    jobs.router,
    health.router,
]

__all__ = ["routers"]
