"""Cross-encoders, which sentence-transformers loads: query and text go through a model together."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from retrieval.embedding.embedder import Floats
from retrieval.embedding.loading import load_encoder
from retrieval.embedding.locate import local_folder
from retrieval.errors import InvalidInput, ModelUnavailable

DEFAULT_RERANKER = "cross-encoder/ms-marco-MiniLM-L6-v2"


class CrossEncoderReranker:
    """Scores with a CrossEncoder, which it loads on first need.

    `model` is a folder or an id on the hub; one that is already on this machine is used as it is.
    Where query and text together are more than the model reads, the longer one loses its end.
    """

    def __init__(
        self, model: str = DEFAULT_RERANKER, *, device: str | None = None, batch_size: int = 32
    ) -> None:
        if batch_size < 1:
            raise InvalidInput(f"batch_size must be at least 1, not {batch_size}")
        folder = local_folder(model)
        self.model = str(folder) if folder else model
        self._device = device
        self._batch_size = batch_size
        self._lock = Lock()
        self._encoder: Any = None

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.zeros(0, dtype=np.float32)
        # which sorts the pairs by length, and gives the scores in the order of the texts
        scores = self._load().predict(
            [(query, text) for text in texts],
            batch_size=self._batch_size,
            show_progress_bar=False,
        )
        return np.asarray(scores, dtype=np.float32)

    def _load(self) -> Any:
        if self._encoder is None:
            with self._lock:
                self._encoder = self._encoder or self._load_now()
        return self._encoder

    def _load_now(self) -> Any:
        _, encoder = load_encoder(self.model, "cross-encoder", self._device)
        if encoder.num_labels != 1:
            raise ModelUnavailable(
                f"model {self.model!r} gives a pair {encoder.num_labels} labels and no single "
                "score; a reranker needs a cross-encoder with one label"
            )
        return encoder
