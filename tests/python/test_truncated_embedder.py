"""Fewer dimensions than a model has: the first ones, at length 1 again."""

import re
from pathlib import Path

import numpy as np
import pytest

from retrieval import InvalidInput, SentenceTransformerEmbedder
from retrieval.embedding import Kind, create_embedder

TEXTS = ["sign the key", "bread and butter", "how to rotate"]


def test_the_first_dimensions_are_kept_and_scaled(tiny_dense_model: Path) -> None:
    whole = SentenceTransformerEmbedder(str(tiny_dense_model)).embed_documents(TEXTS)
    embedder = SentenceTransformerEmbedder(str(tiny_dense_model), dimensions=8)
    expected = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    assert np.allclose(embedder.embed_documents(TEXTS), expected, atol=1e-6)
    assert np.linalg.norm(expected - whole[:, :8]) > 0.1
    assert embedder.dimensions == embedder.signature.dimensions == 8
    query = embedder.embed_query("sign the key")
    assert query.shape == (8,) and np.linalg.norm(query) == pytest.approx(1)


def test_a_name_with_its_dimensions_makes_the_embedder_again(tiny_dense_model: Path) -> None:
    cut = create_embedder(str(tiny_dense_model), dimensions=8)
    again = create_embedder(cut.model, kind=cut.kind, dimensions=cut.dimensions)
    assert again.signature == cut.signature
    whole = create_embedder(cut.model, dimensions=32)
    assert whole.signature.differences(cut.signature) == ["dimensions: 32 ≠ 8"]


def test_more_than_the_model_has(tiny_dense_model: Path) -> None:
    message = f"dimensions=33, but model {str(tiny_dense_model)!r} has 32"
    with pytest.raises(InvalidInput, match=f"^{re.escape(message)}$"):
        create_embedder(str(tiny_dense_model), dimensions=33).embed_query("key")


@pytest.mark.parametrize("kind", ["dense", "sparse", "multivector"])
@pytest.mark.parametrize("model", ["hashing", "maker/model"])
@pytest.mark.parametrize("dimensions", [0, -3])
def test_fewer_than_one(model: str, kind: Kind, dimensions: int) -> None:
    with pytest.raises(InvalidInput, match=f"dimensions must be at least 1, not {dimensions}"):
        create_embedder(model, kind=kind, dimensions=dimensions)


def test_other_kinds_keep_all_their_dimensions(
    tiny_sparse_model: Path, tiny_multi_vector_model: Path
) -> None:
    models: list[tuple[Path, Kind, int]] = [
        (tiny_sparse_model, "sparse", 1500),
        (tiny_multi_vector_model, "multivector", 16),
    ]
    for model, kind, own in models:
        assert create_embedder(str(model), kind=kind, dimensions=own).dimensions == own
        with pytest.raises(InvalidInput, match=f"dimensions=8, but model .* has {own}$"):
            create_embedder(str(model), kind=kind, dimensions=8).embed_query("key")
