"""The routes, a module for each group."""

from retrieval.service.routes import (
    bulk,
    chunks,
    collection_settings,
    collections,
    documents,
    embeddings,
    files,
    health,
    jobs,
    map,
    page,
    search,
    signals,
    spaces,
)

routers = [
    collections.router,
    collection_settings.router,
    documents.router,
    bulk.router,
    files.router,
    chunks.router,
    search.router,
    signals.router,
    map.router,
    embeddings.router,
    spaces.router,
    jobs.router,
    health.router,
    page.router,
]

__all__ = ["routers"]
