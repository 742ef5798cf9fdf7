"""From a model's name to the embedder that runs it."""

from typing import Any

from retrieval.embedding.backend import checked_backend
from retrieval.embedding.embedder import Embedder
from retrieval.embedding.encoder import EncoderEmbedder
from retrieval.embedding.hashing import HASHING_EMBEDDERS, HASHING_MODEL
from retrieval.embedding.kinds import Kind, checked_kind
from retrieval.embedding.multi_vector_encoder import MultiVectorEncoderEmbedder
from retrieval.embedding.sentence_transformers import SentenceTransformerEmbedder
from retrieval.embedding.sparse_encoder import SparseEncoderEmbedder
from retrieval.errors import InvalidInput

OPENAI = "openai"

ENCODER_EMBEDDERS: dict[Kind, type[EncoderEmbedder[Any, Any]]] = {
    "dense": SentenceTransformerEmbedder,
    "sparse": SparseEncoderEmbedder,
    "multivector": MultiVectorEncoderEmbedder,
}


def create_embedder(
    model: str | None = None,
    *,
    kind: Kind = "dense",
    dimensions: int | None = None,
    backend: str | None = None,
) -> Embedder:
    """Return the embedder of a model's name, without loading the model.

    None is the default model, which is dense; "hashing" or "hashing:128" is the embedder without a
    model, the number being its dimensions; "openai:NAME" is a model behind an interface like
    OpenAI's; anything else is a folder or an id on the hub.

    `dimensions` keeps the first ones of a dense model, which suits those that were trained for it.
    For the other kinds it can only be what the model has.

    `backend` is what computes the vectors of a folder or an id on the hub, one of BACKENDS; None is
    that of the settings.
    """
    kind = checked_kind(kind)
    backend = checked_backend(backend)
    if model is None:
        if kind != "dense":
            raise InvalidInput(f"there is no default model for kind {kind}: name one")
        return SentenceTransformerEmbedder(dimensions=dimensions, backend=backend)
    name, colon, rest = model.partition(":")
    if name == HASHING_MODEL:
        return _hashing_embedder(model, rest if colon else None, kind, dimensions)
    if name == OPENAI and colon:
        return _openai_embedder(rest, kind, dimensions)
    return ENCODER_EMBEDDERS[kind](model, dimensions=dimensions, backend=backend)


def _hashing_embedder(
    model: str, number: str | None, kind: Kind, dimensions: int | None
) -> Embedder:
    if number is not None:
        if not (number.isascii() and number.isdigit() and int(number) > 0):
            raise InvalidInput(
                f"{model!r}: a number of dimensions follows the colon, as in hashing:128"
            )
        if dimensions not in (None, int(number)):
            raise InvalidInput(f"dimensions={dimensions}, but model {model!r} has {number}")
        dimensions = int(number)
    return HASHING_EMBEDDERS[kind](dimensions)


def _openai_embedder(name: str, kind: Kind, dimensions: int | None) -> Embedder:
    from retrieval.embedding.openai import OpenAIEmbedder

    if kind != "dense":
        raise InvalidInput(f"{OPENAI}:{name} makes dense embeddings, so kind cannot be {kind}")
    return OpenAIEmbedder(name, dimensions=dimensions)
