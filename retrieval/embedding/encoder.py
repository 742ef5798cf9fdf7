"""What the embedders of sentence-transformers share, whichever kind of vectors they make."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from retrieval.document import MODALITIES, Modality
from retrieval.embedding.backend import Backend, checked_backend, library_of, precision_of
from retrieval.embedding.declared import declared, document_tokenizer
from retrieval.embedding.embedder import Floats, Progress
from retrieval.embedding.kinds import Kind
from retrieval.embedding.loading import load_encoder
from retrieval.embedding.locate import Location, local_folder, snapshot_folder
from retrieval.embedding.signature import Signature
from retrieval.embedding.tokens import TokenCounter, token_counter
from retrieval.embedding.weights import weights_sha256
from retrieval.errors import InvalidInput, ModelUnavailable

if TYPE_CHECKING:
    from PIL.Image import Image

SLICE = 128
SLICE_OF_IMAGES = 16
# Two, so that it is no coincidence when both have length 1.
PROBES = ["probe", "A second text, of a few more words."]

One = TypeVar("One")
Several = TypeVar("Several")


@dataclass(frozen=True, slots=True)
class _LoadedEncoder:
    encoder: Any
    count_tokens: TokenCounter
    signature: Signature


class EncoderEmbedder(ABC, Generic[One, Several]):
    """Embeds with an encoder of sentence-transformers, which it loads on first need.

    `model` is a folder or an id on the hub. A model that is already on this machine is used as
    it is, without asking the hub for a newer one: vectors would change under the reader.

    `backend` is one of BACKENDS, None that of the settings; all but the ones of torch compute on
    the CPU, by an export of the model that is kept in the data directory.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        device: str | None = None,
        batch_size: int = 32,
        backend: str | None = None,
    ) -> None:
        if dimensions is not None and dimensions < 1:
            raise InvalidInput(f"dimensions must be at least 1, not {dimensions}")
        folder = local_folder(model)
        self.model = str(folder) if folder else model
        self._dimensions = dimensions
        self._backend = checked_backend(backend)
        self._device = _device(device, self._backend)
        self._options = {"batch_size": batch_size, "show_progress_bar": False}
        self._lock = Lock()
        self._loaded: _LoadedEncoder | None = None

    @property
    def signature(self) -> Signature:
        return self._load().signature

    @property
    def dimensions(self) -> int:
        return self.signature.dimensions

    @property
    def max_tokens(self) -> int:
        return self.signature.max_tokens

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> Several:
        encode = self._load().encoder.encode_document
        embeddings: Any = self._room_for(len(texts))
        for rows in _slices_by_length(texts):
            encoded: Any = self._encode(encode, self._texts(texts[row] for row in rows))
            for row, embedding in zip(rows, encoded, strict=True):
                embeddings[row] = embedding
            if on_progress is not None:
                on_progress(len(rows))
        return embeddings  # type: ignore[no-any-return]

    def embed_query(self, text: str) -> One:
        encoded: Any = self._encode(self._load().encoder.encode_query, self._texts([text]))
        return encoded[0]  # type: ignore[no-any-return]

    def embed_queries(self, texts: Sequence[str]) -> Several:
        """Int8 is quantised by what a call computes, so that each query has one of its own."""
        if self._backend == "onnx-int8":
            embeddings: Any = self._room_for(len(texts))
            for row, text in enumerate(texts):
                embeddings[row] = self.embed_query(text)
            return embeddings  # type: ignore[no-any-return]
        return self._encode(self._load().encoder.encode_query, self._texts(texts))

    @property
    def modalities(self) -> Sequence[Modality]:
        return [each for each in MODALITIES if each in self._load().encoder.modalities]

    def embed_images(
        self, images: Sequence["Image"], *, on_progress: Progress | None = None
    ) -> Several:
        if "image" not in self.modalities:
            raise InvalidInput(f"model {self.model!r} reads no images")
        encode = self._load().encoder.encode_document
        embeddings: Any = self._room_for(len(images))
        for start in range(0, len(images), SLICE_OF_IMAGES):
            some = list(images[start : start + SLICE_OF_IMAGES])
            encoded: Any = self._encode(encode, some)
            for row, embedding in enumerate(encoded, start):
                embeddings[row] = embedding
            if on_progress is not None:
                on_progress(len(some))
        return embeddings  # type: ignore[no-any-return]

    def _texts(self, texts: Iterable[str]) -> list[Any]:
        return as_texts(self._load().encoder, texts)

    def count_tokens(self, text: str) -> int:
        return self._load().count_tokens(text)

    @abstractmethod
    def _encode(self, encode: Callable[..., Any], texts: list[Any]) -> Several:
        """Call the encoder's encode_query or encode_document, and give its result our form."""

    @abstractmethod
    def _room_for(self, texts: int) -> Several:
        """What takes the embeddings of so many texts, one by one."""

    @abstractmethod
    def _vectors(self, embeddings: Several) -> Floats:
        """All vectors of some embeddings, float32 of shape (vectors, dimensions)."""

    def _settings(self, encoder: Any) -> Mapping[str, Any]:
        """What else decides over vectors of this kind, as JSON."""
        return {}

    def _load(self) -> _LoadedEncoder:
        if self._loaded is None:
            with self._lock:
                self._loaded = self._loaded or self._load_now()
        return self._loaded

    def _load_now(self) -> _LoadedEncoder:
        location, encoder = load_encoder(self.model, self.kind, self._device)
        if self._backend != "torch":
            self._use_backend(encoder)
        probes = self._vectors(self._encode(encoder.encode_document, as_texts(encoder, PROBES)))
        dimensions = probes.shape[1]
        if self._dimensions not in (None, dimensions):
            wanted = f"dimensions={self._dimensions}"
            raise InvalidInput(f"{wanted}, but model {self.model!r} has {dimensions}")
        counter = token_counter(document_tokenizer(encoder))
        said = declared(encoder, counter)
        return _LoadedEncoder(encoder, counter, self._signature(location, encoder, probes, said))

    def _use_backend(self, encoder: Any) -> None:
        from retrieval.embedding.faster import use_backend

        try:
            use_backend(encoder, self._backend)
        except ModelUnavailable as error:
            raise ModelUnavailable(
                f"model {self.model!r} cannot be run with backend {self._backend}: {error}"
            ) from error

    def _signature(
        self, location: Location, encoder: Any, probes: Floats, said: Mapping[str, Any]
    ) -> Signature:
        folder = location.folder or snapshot_folder(self.model, location.revision)
        lengths = np.linalg.norm(probes, axis=1)
        return Signature(
            kind=self.kind,
            model=self.model,
            revision=location.revision,
            weights_sha256=weights_sha256(folder) if folder else None,
            dimensions=probes.shape[1],
            normalised=bool(np.allclose(lengths, 1, atol=1e-2)),
            options={**self._settings(encoder), **precision_of(self._backend)},
            **said,
        )


def as_texts(encoder: Any, texts: Iterable[str]) -> list[Any]:
    """Texts as an encoder takes them.

    One that reads images would take a text that looks like an address or a path for one, and
    fetch or open it: a query must never do that.
    """
    wrap = set(encoder.modalities) != {"text"}
    return [{"text": text} if wrap else text for text in texts]


def _device(device: str | None, backend: Backend) -> str | None:
    if library_of(backend) == "torch":
        return device
    if device not in (None, "cpu"):
        raise InvalidInput(f"backend {backend} computes on the CPU, not on device {device!r}")
    return "cpu"


def _slices_by_length(texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield row numbers, those of the longest texts first.

    The library sorts only what one call gives it. Sorting everything keeps texts of like length
    in a batch, where padding costs little.
    """
    rows = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    return (rows[start : start + SLICE] for start in range(0, len(rows), SLICE))
