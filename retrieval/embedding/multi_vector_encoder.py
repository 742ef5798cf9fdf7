"""Late-interaction models that sentence-transformers loads: a vector for each token."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from retrieval.embedding.declared import document_modules
from retrieval.embedding.embedder import Floats
from retrieval.embedding.encoder import EncoderEmbedder
from retrieval.embedding.kinds import Kind


class MultiVectorEncoderEmbedder(EncoderEmbedder[Floats, list[Floats]]):
    """Embeds with a MultiVectorEncoder, which it loads on first need.

    An embedding is float32 of shape (tokens, dimensions). Which tokens get a vector is the model's
    choice: most leave punctuation out of documents, and some fill queries up to a fixed number.
    `dimensions` may only be the model's own.
    """

    kind: ClassVar[Kind] = "multivector"

    def _encode(self, encode: Callable[..., Any], texts: list[Any]) -> list[Floats]:
        encoded = encode(texts, convert_to_numpy=True, **self._options)
        return [np.asarray(each, dtype=np.float32) for each in encoded]

    def _room_for(self, texts: int) -> list[Floats]:
        return [np.empty((0, 0), dtype=np.float32)] * texts

    def _vectors(self, embeddings: list[Floats]) -> Floats:
        return np.concatenate(embeddings)

    def _settings(self, encoder: Any) -> Mapping[str, Any]:
        from sentence_transformers.multi_vector_encoder.modules import (
            BaseTokenPooling,
            MultiVectorMask,
        )

        first, *others = document_modules(encoder)
        expansion = getattr(first, "query_expansion", None)
        return {
            "query_length": getattr(first, "query_length", None),
            "query_expansion": dict(expansion) if expansion else None,
            "choice_of_tokens": [
                each.get_config_dict()
                for each in others
                if isinstance(each, (MultiVectorMask, BaseTokenPooling))
            ],
        }
