"""The late-interaction embedder with a tiny model."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval import MultiVectorEncoderEmbedder
from retrieval.embedding import Embedder, encoder
from retrieval.embedding.embedder import Floats

TEXTS = [f"sign the key{' every month' * (number % 5)} {number}" for number in range(10)]
# [CLS], "document" and ":" before a text, [SEP] behind it
AROUND = 4


@pytest.fixture(scope="module")
def embedder(tiny_multi_vector_model: Path) -> MultiVectorEncoderEmbedder:
    return MultiVectorEncoderEmbedder(str(tiny_multi_vector_model))


def near(first: Floats, second: Floats) -> bool:
    return first.shape == second.shape and np.allclose(first, second, atol=1e-5)


def test_it_is_an_embedder_of_its_kind(embedder: MultiVectorEncoderEmbedder) -> None:
    assert isinstance(embedder, Embedder)
    assert (embedder.kind, embedder.signature.kind) == ("multivector", "multivector")
    assert (embedder.dimensions, embedder.max_tokens) == (16, 24 - AROUND)
    assert embedder.count_tokens("Sign the key!") == 4


def test_each_token_has_a_unit_vector(embedder: MultiVectorEncoderEmbedder) -> None:
    documents = embedder.embed_documents(TEXTS)
    query = embedder.embed_query("the key")
    assert query.shape == (AROUND + 2, 16)
    for text, document in zip(TEXTS, documents, strict=True):
        assert document.dtype == np.float32
        assert document.shape == (AROUND + embedder.count_tokens(text), 16)
        assert np.allclose(np.linalg.norm(document, axis=1), 1, atol=1e-5)
    assert embedder.signature.normalised


def test_embeddings_are_those_of_the_model(
    embedder: MultiVectorEncoderEmbedder, tiny_multi_vector_model: Path
) -> None:
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(str(tiny_multi_vector_model), device="cpu")
    document = model.encode("document: bread", task="document", convert_to_numpy=True)
    query = model.encode("query: bread", task="query", convert_to_numpy=True)
    assert near(embedder.embed_documents(["bread"])[0], document)
    assert near(embedder.embed_query("bread"), query)


def test_punctuation_has_no_vector_in_documents(embedder: MultiVectorEncoderEmbedder) -> None:
    plain, marked = embedder.embed_documents(["sign the key", "sign, the key!"])
    assert len(plain) == len(marked)
    assert len(embedder.embed_query("key!")) == len(embedder.embed_query("key")) + 1


def test_rows_keep_the_order_of_the_texts_across_slices(
    embedder: MultiVectorEncoderEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "SLICE", 4)
    done: list[int] = []
    embeddings = embedder.embed_documents(TEXTS, on_progress=done.append)
    assert done == [4, 4, 2]
    for text, embedding in zip(TEXTS, embeddings, strict=True):
        assert near(embedder.embed_documents([text])[0], embedding)


def test_no_texts_give_no_embeddings(embedder: MultiVectorEncoderEmbedder) -> None:
    assert embedder.embed_documents([]) == []


def test_queries_and_documents_are_cut_each_at_their_length(
    embedder: MultiVectorEncoderEmbedder,
) -> None:
    words = "key " * (embedder.max_tokens - 1)
    dog, cat, beyond = embedder.embed_documents([words + "dog", words + "cat", words + "dog cat"])
    assert near(dog, beyond) and not near(dog, cat)
    assert len(dog) == 24 and len(embedder.embed_query(words)) == 12


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_may_embed_queries_and_documents_at_once(
    tiny_multi_vector_model: Path, hasty_threads: None
) -> None:
    """Both are cut by the same tokenizer, each at another length."""
    embedder = MultiVectorEncoderEmbedder(str(tiny_multi_vector_model))
    long = "key " * 40

    def lengths(number: int) -> tuple[int, int]:
        return len(embedder.embed_query(long)), len(embedder.embed_documents([long])[0])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lengths, range(200))) == {(12, 24)}
