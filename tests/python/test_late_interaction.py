"""MaxSim of token vectors, computed in padded batches."""

from pathlib import Path

import numpy as np
import pytest

from retrieval import InvalidInput, MultiVectorEncoderEmbedder
from retrieval.embedding.embedder import Floats
from retrieval.reranking import late_interaction, max_sim_scores

DIMENSIONS = 8


def vectors(generator: np.random.Generator, tokens: int) -> Floats:
    return generator.standard_normal((tokens, DIMENSIONS)).astype(np.float32)


def expected(query: Floats, documents: list[Floats]) -> Floats:
    """The definition, one document after the other."""
    return np.array([(query @ document.T).max(axis=1).sum() for document in documents])


@pytest.mark.parametrize("batch_tokens", [1, 40, 65_536])
def test_it_is_the_sum_of_the_largest_products(
    batch_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where documents of other lengths share a batch, and where each has its own."""
    monkeypatch.setattr(late_interaction, "BATCH_TOKENS", batch_tokens)
    generator = np.random.default_rng(5)
    query = vectors(generator, 6)
    documents = [vectors(generator, 1 + row * 7 % 23) for row in range(50)]
    scores = max_sim_scores(query, documents)
    assert (scores.dtype, scores.shape) == (np.float32, (50,))
    assert np.allclose(scores, expected(query, documents), atol=1e-4)


def test_padding_is_no_token() -> None:
    """A vector of zeros would be the best of those that all point away from the query."""
    query = np.ones((2, DIMENSIONS), dtype=np.float32)
    documents = [-np.ones((length, DIMENSIONS), dtype=np.float32) for length in (1, 4)]
    assert max_sim_scores(query, documents).tolist() == [-16, -16]


def test_embeddings_of_a_model(tiny_multi_vector_model: Path) -> None:
    embedder = MultiVectorEncoderEmbedder(str(tiny_multi_vector_model))
    texts = ["the cat", "how to rotate the key every month", "bread and butter"]
    query, documents = embedder.embed_query("rotate key"), embedder.embed_documents(texts)
    scores = max_sim_scores(query, documents)
    assert np.allclose(scores, expected(query, documents), atol=1e-4)
    # what is scored with itself has the cosine 1 for each of its tokens
    assert max_sim_scores(query, [query])[0] == pytest.approx(len(query), abs=1e-4)


def test_half_precision_and_read_only_arrays() -> None:
    """As they come from the database; nothing is written into what was given."""
    generator = np.random.default_rng(6)
    query = vectors(generator, 3)
    document = vectors(generator, 5).astype(np.float16)
    document.flags.writeable = query.flags.writeable = False
    scores = max_sim_scores(query, [document])  # type: ignore[list-item]
    assert scores[0] == pytest.approx(expected(query, [document])[0], abs=1e-2)


def test_a_document_without_tokens_has_no_score() -> None:
    query = np.ones((1, DIMENSIONS), dtype=np.float32)
    empty = np.empty((0, DIMENSIONS), dtype=np.float32)
    scores = max_sim_scores(query, [empty, query, empty])
    assert np.isnan(scores).tolist() == [True, False, True]
    assert np.isnan(max_sim_scores(query, [empty])).all()
    assert max_sim_scores(query, []).shape == (0,)


@pytest.mark.parametrize(
    ("query_shape", "document_shapes", "named"),
    [
        ((8,), [(1, 8)], r"query_tokens must be of shape \(tokens, dimensions\), not \(8,\)"),
        ((0, 8), [(1, 8)], r"query_tokens .* not \(0, 8\)"),
        ((2, 8), [(3, 8), (3, 4)], r"documents\[1\] must be of shape \(tokens, 8\), not \(3, 4\)"),
        ((2, 8), [(8,)], r"documents\[0\]"),
    ],
)
def test_shapes_that_do_not_fit(
    query_shape: tuple[int, ...], document_shapes: list[tuple[int, ...]], named: str
) -> None:
    documents = [np.ones(shape, dtype=np.float32) for shape in document_shapes]
    with pytest.raises(InvalidInput, match=named):
        max_sim_scores(np.ones(query_shape, dtype=np.float32), documents)
