"""The routes, a module for each group."""

from retrieval.service.routes import collections, documents, health, page, search

routers = [collections.router, documents.router, search.router, health.router, page.router]

__all__ = ["routers"]
