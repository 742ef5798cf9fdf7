"""Dense models that the sentence-transformers library loads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from retrieval.embedding.embedder import Embeddings, Progress
from retrieval.embedding.loading import load_transformer
from retrieval.embedding.locate import DEFAULT_MODEL, Location, local_folder, snapshot_folder
from retrieval.embedding.signature import Signature
from retrieval.embedding.tokens import (
    TokenCounter,
    content_tokens,
    special_tokens,
    token_counter,
)
from retrieval.embedding.weights import weights_sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SLICE = 128
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class _LoadedModel:
    transformer: "SentenceTransformer"
    count_tokens: TokenCounter
    signature: Signature


class SentenceTransformerEmbedder:
    """Embeds with a SentenceTransformer, which it loads on first need.

    `model` is a folder or an id on the hub. A model that is already on this machine is used as
    it is, without asking the hub for a newer one: vectors would change under the reader.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, device: str | None = None, batch_size: int = 32
    ) -> None:
        folder = local_folder(model)
        self.model = str(folder) if folder else model
        self._device = device
        self._batch_size = batch_size
        self._lock = Lock()
        self._loaded: _LoadedModel | None = None

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
    ) -> Embeddings:
        embeddings = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for rows in _slices_by_length(texts):
            inputs = [texts[row] for row in rows]
            embeddings[rows] = self._load().transformer.encode_document(inputs, **self._options())
            if on_progress is not None:
                on_progress(len(rows))
        return embeddings

    def embed_query(self, text: str) -> Embeddings:
        embedding = self._load().transformer.encode_query(text, **self._options())
        return np.asarray(embedding, dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        return self._load().count_tokens(text)

    def _options(self) -> dict[str, Any]:
        return {
            "batch_size": self._batch_size,
            "normalize_embeddings": True,
            "show_progress_bar": False,
        }

    def _load(self) -> _LoadedModel:
        if self._loaded is None:
            with self._lock:
                self._loaded = self._loaded or self._load_now()
        return self._loaded

    def _load_now(self) -> _LoadedModel:
        location, transformer = load_transformer(self.model, self._device)
        counter = token_counter(transformer.tokenizer)
        # The first encoding settles the tokenizer's state, so that later ones can share it
        # between threads.
        probe = transformer.encode_document(["probe"], **self._options())
        signature = _signature(self.model, location, transformer, counter, probe.shape[1])
        return _LoadedModel(transformer, counter, signature)


def _signature(
    model: str,
    location: Location,
    transformer: "SentenceTransformer",
    count_tokens: TokenCounter,
    dimensions: int,
) -> Signature:
    prompts = {
        "query": _prompt(transformer, QUERY_PROMPTS),
        "document": _prompt(transformer, DOCUMENT_PROMPTS),
    }
    folder = location.folder or snapshot_folder(model, location.revision)
    reserved = special_tokens(transformer.tokenizer) + count_tokens(prompts["document"])
    return Signature(
        model=model,
        revision=location.revision,
        weights_sha256=weights_sha256(folder) if folder else None,
        dimensions=dimensions,
        max_tokens=content_tokens(transformer.max_seq_length, reserved),
        pooling=_pooling(transformer),
        prompts=prompts,
    )


def _prompt(transformer: "SentenceTransformer", names: Sequence[str]) -> str:
    """Return the text that encode_query or encode_document puts in front."""
    for name in (*names, transformer.default_prompt_name):
        if name is not None and name in transformer.prompts:
            return transformer.prompts[name] or ""
    return ""


def _pooling(transformer: "SentenceTransformer") -> str:
    """Name how token vectors become one, "mean" or "cls"; "none" where no such step is."""
    for module in transformer:
        mode: Any = getattr(module, "pooling_mode", None)
        if mode is None and hasattr(module, "get_pooling_mode_str"):
            mode = cast(Any, module).get_pooling_mode_str()  # sentence-transformers before 6
        if mode is not None:
            return mode if isinstance(mode, str) else "+".join(mode)
    return "none"


def _slices_by_length(texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield row numbers, those of the longest texts first.

    The library sorts only what one call gives it. Sorting everything keeps texts of like length
    in a batch, where padding costs little.
    """
    rows = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    return (rows[start : start + SLICE] for start in range(0, len(rows), SLICE))
