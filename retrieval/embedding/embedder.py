"""The part of an embedding model that the rest of the package relies on."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pgvector import SparseVector

from retrieval.document import Modality
from retrieval.embedding.kinds import Kind
from retrieval.embedding.signature import Signature

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float32]

# One text: dense (dimensions,), sparse, or multivector (tokens, dimensions).
Embedding = Floats | SparseVector
# Several texts: dense (texts, dimensions), else one item per text.
Embeddings = Floats | list[SparseVector] | list[Floats]

Progress = Callable[[int], None]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors; may be called from several threads at once.

    An embedder that needs a model loads it on first need, and every member but `model` and `kind`
    may then raise ModelUnavailable, or InvalidInput where the model has fewer dimensions than were
    asked for.
    """

    @property
    def model(self) -> str:
        """The name from which `create_embedder`, with kind and dimensions, makes it again."""

    @property
    def kind(self) -> Kind:
        """Whether a text gets one vector, a sparse one, or a vector for each token."""

    @property
    def signature(self) -> Signature:
        """What makes its vectors comparable with those of another embedder."""

    @property
    def dimensions(self) -> int:
        """The length of each vector; for a sparse one the size of the vocabulary."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of content the model reads, special tokens and prompt not counted."""

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> Embeddings:
        """Return one embedding for each text, in the order of the texts.

        `on_progress` is called with the number of texts done since its last call. A text beyond
        `max_tokens` is embedded by its beginning.
        """

    def embed_query(self, text: str) -> Embedding:
        """Return the embedding of a query, which a model may make another way than a document's."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens, special tokens not counted."""


class ImageEmbedder(Embedder, Protocol):
    """An embedder whose model reads images as well, and puts them where texts about them are."""

    @property
    def modalities(self) -> Sequence[Modality]:
        """What it embeds; an embedder without this member embeds texts."""

    def embed_images(
        self, images: Sequence["Image"], *, on_progress: Progress | None = None
    ) -> Embeddings:
        """Return one embedding for each RGB image, in their order."""


class BatchingEmbedder(Embedder, Protocol):
    """An embedder that takes less time for several queries together than for one after the other.

    Of its calls of `embed_queries` one is under way at a time, and none of another embedder's that
    has no member `queries_at_once` either; that says how many may be, where they wait for others.
    """

    def embed_queries(self, texts: Sequence[str]) -> Embeddings:
        """Return the embeddings of queries, in their order, as `embed_query` makes each of them."""


def modalities_of(embedder: Embedder) -> Sequence[Modality]:
    """What an embedder embeds; may load its model."""
    modalities: Sequence[Modality] = getattr(embedder, "modalities", ("text",))
    return modalities
