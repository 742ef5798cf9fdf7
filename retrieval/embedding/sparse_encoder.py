"""Sparse models that the sentence-transformers library loads: a weight for each word piece."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from pgvector import SparseVector

from retrieval.embedding.embedder import Floats
from retrieval.embedding.encoder import EncoderEmbedder
from retrieval.embedding.kinds import Kind
from retrieval.embedding.sparse import MAX_NONZEROS, sparse_vector
from retrieval.errors import InvalidInput


class SparseEncoderEmbedder(EncoderEmbedder[SparseVector, list[SparseVector]]):
    """Embeds with a SparseEncoder, which it loads on first need.

    At most `max_nonzeros` elements of a vector are kept, the largest; None keeps all of them, and
    a vector beyond 1,000 cannot be in an HNSW index. `dimensions` may only be the model's own.
    """

    kind: ClassVar[Kind] = "sparse"

    def __init__(
        self,
        model: str,
        *,
        max_nonzeros: int | None = MAX_NONZEROS,
        dimensions: int | None = None,
        device: str | None = None,
        batch_size: int = 32,
        backend: str | None = None,
    ) -> None:
        if max_nonzeros is not None and max_nonzeros < 1:
            raise InvalidInput(f"max_nonzeros must be at least 1, not {max_nonzeros}")
        super().__init__(
            model, dimensions=dimensions, device=device, batch_size=batch_size, backend=backend
        )
        self._max_nonzeros = max_nonzeros

    def _encode(self, encode: Callable[..., Any], texts: list[Any]) -> list[SparseVector]:
        matrix = encode(texts, save_to_cpu=True, **self._options).coalesce()
        rows, indices = matrix.indices().numpy()
        values = matrix.values().float().numpy()
        ends = np.searchsorted(rows, np.arange(len(texts) + 1))
        return [
            sparse_vector(
                indices[start:end], values[start:end], matrix.shape[1], self._max_nonzeros
            )
            for start, end in pairwise(ends)
        ]

    def _room_for(self, texts: int) -> list[SparseVector]:
        return [SparseVector({}, 0)] * texts

    def _vectors(self, embeddings: list[SparseVector]) -> Floats:
        return np.stack([each.to_numpy() for each in embeddings])

    def _settings(self, encoder: Any) -> Mapping[str, Any]:
        limits = [each for each in (self._max_nonzeros, encoder.max_active_dims) if each]
        return {"max_nonzeros": min(limits, default=None)}
