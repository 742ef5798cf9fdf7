"""The routes, a module for each group."""

from retrieval.service.routes import (
    chunks,
    collection_settings,
    collections,
    documents,
    health,
    jobs,
    map,
    page,
    search,
    spaces,
)

routers = [
    collections.router,
    collection_settings.router,
    documents.router,
    chunks.router,
    search.router,
    map.router,
    spaces.router,
    jobs.router,
    health.router,
    page.router,
]

__all__ = ["routers"]
