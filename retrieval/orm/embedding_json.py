"""Embeddings of any kind as JSON, in the notation that the SQL functions read."""

from collections.abc import Mapping, Sequence
from typing import Any

from pgvector import SparseVector


def embeddings_as_json(embeddings: Mapping[str, Any]) -> dict[str, Any]:
    """Return query_embeddings as JSON: dense ones, sparse ones and tokens, by name of space."""
    return {space: _as_json(embedding) for space, embedding in embeddings.items()}


def _as_json(embedding: Any) -> Any:
    """A vector is a list of numbers, tokens are a list of lists, a sparse vector is its text."""
    if isinstance(embedding, SparseVector):
        return embedding.to_text()
    if hasattr(embedding, "tocoo"):  # of scipy
        return SparseVector(embedding).to_text()
    for to_list in ("tolist", "to_list"):  # of numpy and torch, of pgvector
        if hasattr(embedding, to_list):
            return getattr(embedding, to_list)()
    if isinstance(embedding, Sequence) and not isinstance(embedding, str):
        return [_as_json(each) for each in embedding]
    return embedding
