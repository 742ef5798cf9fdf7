"""The sparse embedder with tiny models: one that computes its queries, one that looks them up."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pgvector import SparseVector

from retrieval import InvalidInput, SparseEncoderEmbedder
from retrieval.embedding import Embedder, encoder
from retrieval.embedding.sparse import sparse_vector

TEXTS = [f"sign the key {'every month ' * (number % 5)}{number}" for number in range(10)]


@pytest.fixture(scope="module")
def embedder(tiny_sparse_model: Path) -> SparseEncoderEmbedder:
    return SparseEncoderEmbedder(str(tiny_sparse_model))


def near(first: SparseVector, second: SparseVector) -> bool:
    """Equal but for the rounding that other texts in the batch bring."""
    return np.allclose(first.to_numpy(), second.to_numpy(), atol=1e-5)


def test_it_is_an_embedder_of_its_kind(embedder: SparseEncoderEmbedder) -> None:
    assert isinstance(embedder, Embedder)
    assert (embedder.kind, embedder.signature.kind) == ("sparse", "sparse")
    assert (embedder.dimensions, embedder.max_tokens) == (1500, 28)
    assert embedder.count_tokens("Sign the key!") == 4


def test_embeddings_are_those_of_the_model(tiny_sparse_model: Path) -> None:
    from sentence_transformers import SparseEncoder

    whole = SparseEncoderEmbedder(str(tiny_sparse_model), max_nonzeros=None)
    model = SparseEncoder(str(tiny_sparse_model), device="cpu")
    for made, text in zip(whole.embed_documents(TEXTS[:3]), TEXTS, strict=False):
        expected = model.encode([f"document: {text}"], convert_to_sparse_tensor=False)[0]
        assert np.allclose(made.to_numpy(), expected.numpy(), atol=1e-5)
    expected = model.encode(["query: the key"], convert_to_sparse_tensor=False)[0]
    query = whole.embed_query("the key")
    assert len(query.indices()) > 1000
    assert np.allclose(query.to_numpy(), expected.numpy(), atol=1e-5)


def test_the_largest_elements_are_kept(tiny_sparse_model: Path) -> None:
    whole = SparseEncoderEmbedder(str(tiny_sparse_model), max_nonzeros=None).embed_query("key")
    few = SparseEncoderEmbedder(str(tiny_sparse_model), max_nonzeros=10).embed_query("key")
    assert len(few.indices()) == 10 and few.dimensions() == 1500
    assert sorted(few.values()) == sorted(whole.values())[-10:]
    assert few.indices() == sorted(few.indices())


def test_an_index_takes_what_is_made_without_being_told(embedder: SparseEncoderEmbedder) -> None:
    assert [len(each.indices()) for each in embedder.embed_documents(TEXTS[:2])] == [1000, 1000]


def test_largest_means_farthest_from_zero_and_then_first() -> None:
    indices, values = np.array([7, 3, 5, 1]), np.array([-2.0, 1.0, 1.0, 0.5])
    assert sparse_vector(indices, values, 8, 2) == SparseVector({3: 1.0, 7: -2.0}, 8)


def test_rows_keep_the_order_of_the_texts_across_slices(
    embedder: SparseEncoderEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "SLICE", 4)
    done: list[int] = []
    embeddings = embedder.embed_documents(TEXTS, on_progress=done.append)
    assert done == [4, 4, 2]
    for text, embedding in zip(TEXTS, embeddings, strict=True):
        assert near(embedder.embed_documents([text])[0], embedding)
    assert not near(embeddings[0], embeddings[1])


def test_no_texts_give_no_embeddings(embedder: SparseEncoderEmbedder) -> None:
    assert embedder.embed_documents([]) == []


def test_a_long_text_is_embedded_by_its_beginning(embedder: SparseEncoderEmbedder) -> None:
    words = "key " * (embedder.max_tokens - 1)
    dog, cat, beyond = embedder.embed_documents([words + "dog", words + "cat", words + "dog cat"])
    assert near(dog, beyond) and not near(dog, cat)


def test_queries_may_be_looked_up(tiny_routed_sparse_model: Path) -> None:
    embedder = SparseEncoderEmbedder(str(tiny_routed_sparse_model))
    query = embedder.embed_query("the key")
    assert len(query.indices()) == embedder.count_tokens("the key") == 2
    (document,) = embedder.embed_documents(["the key"])
    assert query.dimensions() == document.dimensions() == embedder.dimensions == 124
    assert len(document.indices()) > 50
    assert embedder.signature.pooling == "splade-max-relu"
    assert embedder.signature.weights_sha256 is not None


def test_threads_may_share_an_embedder(tiny_sparse_model: Path) -> None:
    embedder = SparseEncoderEmbedder(str(tiny_sparse_model), max_nonzeros=None)
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(embedder.embed_query, TEXTS))
    for text, embedding in zip(TEXTS, together, strict=True):
        assert near(embedder.embed_query(text), embedding)


def test_the_number_of_elements_must_be_one(tiny_sparse_model: Path) -> None:
    with pytest.raises(InvalidInput, match="max_nonzeros must be at least 1, not 0"):
        SparseEncoderEmbedder(str(tiny_sparse_model), max_nonzeros=0)
