"""Dense models that the sentence-transformers library loads: one vector for a text."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from retrieval.embedding.embedder import Floats
from retrieval.embedding.encoder import EncoderEmbedder
from retrieval.embedding.kinds import Kind
from retrieval.embedding.locate import DEFAULT_MODEL


class SentenceTransformerEmbedder(EncoderEmbedder[Floats, Floats]):
    """Embeds with a SentenceTransformer, which it loads on first need; vectors have length 1.

    `dimensions` keeps the first ones of a model that was trained for it (Kusupati et al., 2022,
    "Matryoshka Representation Learning") and scales what is left to length 1 again.
    """

    kind: ClassVar[Kind] = "dense"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        dimensions: int | None = None,
        device: str | None = None,
        batch_size: int = 32,
        backend: str | None = None,
    ) -> None:
        super().__init__(
            model, dimensions=dimensions, device=device, batch_size=batch_size, backend=backend
        )

    def _encode(self, encode: Callable[..., Any], texts: list[Any]) -> Floats:
        rows = encode(
            texts, truncate_dim=self._dimensions, normalize_embeddings=True, **self._options
        )
        return np.asarray(rows, dtype=np.float32)

    def _room_for(self, texts: int) -> Floats:
        return np.empty((texts, self.dimensions), dtype=np.float32)

    def _vectors(self, embeddings: Floats) -> Floats:
        return embeddings
