"""A retriever on a database of its own, and tiny models that a session builds once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_models

from retrieval import HashingEmbedder, Retriever


@pytest.fixture
def retriever(database_url: str) -> Iterator[Retriever]:
    """An open retriever whose database holds the empty collection `handbook`."""
    with Retriever.open(database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("handbook")
        yield opened


@pytest.fixture(scope="session")
def tiny_dense_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SentenceTransformer."""
    return tiny_models.build_dense(tmp_path_factory.mktemp("dense"))


@pytest.fixture(scope="session")
def tiny_sparse_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SparseEncoder."""
    return tiny_models.build_sparse(tmp_path_factory.mktemp("sparse"))


@pytest.fixture(scope="session")
def tiny_routed_sparse_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SparseEncoder that computes nothing for a query."""
    return tiny_models.build_routed_sparse(tmp_path_factory.mktemp("routed_sparse"))


@pytest.fixture(scope="session")
def tiny_multi_vector_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a MultiVectorEncoder."""
    return tiny_models.build_multi_vector(tmp_path_factory.mktemp("multi_vector"))
