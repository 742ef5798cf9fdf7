"""The routes, a module for each group."""

from retrieval.service.routes import (
    bulk,
    chunks,
    collection_settings,
    collections,
    documents,
    embeddings,
    files,
    golden_sets,
    health,
    jobs,
    map,
    page,
    pool,
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
    golden_sets.router,
    pool.router,
    embeddings.router,
    spaces.router,
    jobs.router,
    health.router,
    page.router,
]

__all__ = ["routers"]
