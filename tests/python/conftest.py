"""A retriever on a database of its own, with one collection."""

from collections.abc import Iterator

import pytest

from retrieval import HashingEmbedder, Retriever


@pytest.fixture
def retriever(database_url: str) -> Iterator[Retriever]:
    """An open retriever whose database holds the empty collection `handbook`."""
    with Retriever.open(database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("handbook")
        yield opened
