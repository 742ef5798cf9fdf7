"""The retriever of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.search import Retriever


@contextmanager
def open_retriever(database_url: str | None, tenant: str | None) -> Iterator[Retriever]:
    """A retriever for the tenant, or without one for what belongs to none."""
    with Retriever.open(database_url) as retriever:
        yield retriever.for_tenant(tenant) if tenant else retriever
