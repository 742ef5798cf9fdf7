"""Embedding models: what they must offer, the ones there are, and how to tell them apart."""

from retrieval.embedding.embedder import Embedder, Embeddings, Progress
from retrieval.embedding.hashing import HASHING_MODEL, HashingEmbedder
from retrieval.embedding.locate import DEFAULT_MODEL
from retrieval.embedding.sentence_transformers import SentenceTransformerEmbedder
from retrieval.embedding.signature import Signature
from retrieval.errors import InvalidInput

__all__ = [
    "DEFAULT_MODEL",
    "Embedder",
    "Embeddings",
    "HashingEmbedder",
    "Progress",
    "SentenceTransformerEmbedder",
    "Signature",
    "create_embedder",
]


def create_embedder(model: str | None = None) -> Embedder:
    """Return the embedder of a model's name, without loading the model.

    None is the default model; "hashing" or "hashing:128" is the embedder without a model, the
    number being its dimensions; anything else is a folder or an id on the hub.
    """
    if model is None:
        return SentenceTransformerEmbedder()
    name, _, dimensions = model.partition(":")
    if name != HASHING_MODEL:
        return SentenceTransformerEmbedder(model)
    return _hashing_embedder(model, dimensions) if ":" in model else HashingEmbedder()


def _hashing_embedder(model: str, dimensions: str) -> HashingEmbedder:
    if not (dimensions.isascii() and dimensions.isdigit() and int(dimensions) > 0):
        raise InvalidInput(
            f"{model!r}: a number of dimensions follows the colon, as in hashing:128"
        )
    return HashingEmbedder(int(dimensions))
