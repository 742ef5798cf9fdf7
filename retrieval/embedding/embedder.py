"""The part of an embedding model that the rest of the package relies on."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from retrieval.embedding.signature import Signature

Embeddings = NDArray[np.float32]
Progress = Callable[[int], None]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors; may be called from several threads at once.

    An embedder that needs a model loads it on first need, and every member but `model` may then
    raise ModelUnavailable.
    """

    @property
    def model(self) -> str:
        """The name from which `create_embedder` makes this embedder again."""

    @property
    def signature(self) -> Signature:
        """What makes its vectors comparable with those of another embedder."""

    @property
    def dimensions(self) -> int:
        """The length of each vector."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of content the model reads, special tokens and prompt not counted."""

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> Embeddings:
        """Return float32 of shape (len(texts), dimensions), rows in the order of the texts.

        `on_progress` is called with the number of texts done since its last call. A text beyond
        `max_tokens` is embedded by its beginning.
        """

    def embed_query(self, text: str) -> Embeddings:
        """Return float32 of shape (dimensions,)."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens, special tokens not counted."""
