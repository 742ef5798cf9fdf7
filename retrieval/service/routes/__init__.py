"""The routes, a module for each group."""

from retrieval.service.routes import collections, documents, health, map, page, search

routers = [
    collections.router,
    documents.router,
    search.router,
    map.router,
    health.router,
    page.router,
]

__all__ = ["routers"]
