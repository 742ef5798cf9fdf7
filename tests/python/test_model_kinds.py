"""Dense, sparse and late-interaction models: side by side, and one opened as another."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from pgvector import SparseVector

from retrieval import (
    InvalidInput,
    ModelUnavailable,
    MultiVectorEncoderEmbedder,
    SentenceTransformerEmbedder,
    SparseEncoderEmbedder,
)
from retrieval.embedding import KINDS, Kind, create_embedder

TEXTS = ["how to rotate the key", "every month", "bread and butter for the cat, and the dog"]
CLASSES = {
    "dense": SentenceTransformerEmbedder,
    "sparse": SparseEncoderEmbedder,
    "multivector": MultiVectorEncoderEmbedder,
}


@pytest.fixture
def models(
    tiny_dense_model: Path, tiny_sparse_model: Path, tiny_multi_vector_model: Path
) -> dict[Kind, Path]:
    return {
        "dense": tiny_dense_model,
        "sparse": tiny_sparse_model,
        "multivector": tiny_multi_vector_model,
    }


def test_a_text_may_have_embeddings_of_all_three_kinds(models: dict[Kind, Path]) -> None:
    """What BGE-M3 makes of a text, from a model for each kind."""
    embedders = {kind: create_embedder(str(models[kind]), kind=kind) for kind in KINDS}
    made = {kind: embedders[kind].embed_documents(TEXTS) for kind in KINDS}
    for row, text in enumerate(TEXTS):
        dense, sparse, vectors = (made[kind][row] for kind in KINDS)
        assert isinstance(dense, np.ndarray) and dense.shape == (32,)
        assert isinstance(sparse, SparseVector) and sparse.dimensions() == 1500
        assert isinstance(vectors, np.ndarray) and vectors.shape[1:] == (16,)
        alone = {kind: embedders[kind].embed_documents([text])[0] for kind in KINDS}
        assert np.allclose(alone["dense"], dense, atol=1e-5)
        assert np.allclose(alone["sparse"].to_numpy(), sparse.to_numpy(), atol=1e-2)  # type: ignore[union-attr]
        assert np.allclose(alone["multivector"], vectors, atol=1e-5)
    assert len({embedder.signature.weights_sha256 for embedder in embedders.values()}) == 3


def test_each_kind_has_its_class() -> None:
    for kind, expected in CLASSES.items():
        assert type(create_embedder("maker/model", kind=kind)) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_another_kind_is_named_for_what_it_is(
    models: dict[Kind, Path], kind: Kind
) -> None:
    for other in set(KINDS) - {kind}:
        message = reason(models[other], kind)
        assert f"{models[other]}: it holds a {other} model, which kind={other!r} opens" in message


def reason(folder: Path, kind: Kind) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        create_embedder(str(folder), kind=kind).embed_query("key")
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(f"a folder that holds a {kind} model of sentence-transformers")
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_a_cross_encoder_embeds_nothing(kind: Kind, tmp_path: Path) -> None:
    assert "it holds a cross-encoder" in reason(tiny_models.build_classifier(tmp_path), kind)


@pytest.mark.parametrize("kind", ["sparse", "multivector"])
def test_a_folder_without_a_model(kind: Kind, tmp_path: Path) -> None:
    assert f"{tmp_path}: it holds no {kind} model" in reason(tmp_path, kind)


def test_a_transformer_alone_is_what_needs_no_weights_of_chance(tiny_sparse_model: Path) -> None:
    """A language model gives token vectors and logits, but no projection for late interaction."""
    backbone = str(tiny_sparse_model.parent / "backbone")
    assert create_embedder(backbone).signature.pooling == "mean"
    assert create_embedder(backbone, kind="sparse").signature.pooling == "splade-max-relu"
    assert "it holds a dense model" in reason(Path(backbone), "multivector")


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"config_sentence_transformers.json": {"model_type": "ColBERT"}}, "multivector"),
        ({"modules.json": [{"type": "pylate.models.Dense.Dense"}]}, "multivector"),
        ({"modules.json": [{"type": "sentence_transformers.models.Transformer"}]}, "dense"),
        ({"config.json": {"architectures": ["HF_ColBERT"]}}, "multivector"),
        ({"config.json": {"architectures": ["BertModel"]}}, "dense"),
        ({"config_sentence_transformers.json": {"model_type": "CrossEncoder"}}, "cross-encoder"),
    ],
)
def test_older_ways_to_store_a_model_are_known(
    files: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    wrong: Kind = "dense" if kind != "dense" else "sparse"
    assert f"it holds a {kind}" in reason(tmp_path, wrong)


# By name


@pytest.mark.parametrize("model", [None, "hashing", "openai:bge-m3", "maker/model"])
def test_an_unknown_kind(model: str | None) -> None:
    with pytest.raises(InvalidInput, match="one of dense, sparse, multivector, not 'late'"):
        create_embedder(model, kind="late")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["sparse", "multivector"])
def test_only_a_dense_model_needs_no_name(kind: Kind) -> None:
    with pytest.raises(InvalidInput, match=f"no default model for kind {kind}"):
        create_embedder(kind=kind)
    with pytest.raises(InvalidInput, match=f"openai:bge-m3 makes dense .* cannot be {kind}"):
        create_embedder("openai:bge-m3", kind=kind)


def test_a_server_is_asked_for_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    embedder = create_embedder("openai:ft:small", dimensions=256)
    assert type(embedder).__name__ == "OpenAIEmbedder"
    assert (embedder.model, embedder.kind) == ("openai:ft:small", "dense")
