"""The routes, a module for each group."""

from retrieval.service.routes import collections, documents, health, search

routers = [collections.router, documents.router, search.router, health.router]

__all__ = ["routers"]
