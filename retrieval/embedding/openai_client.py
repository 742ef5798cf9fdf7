"""Asks an OpenAI-compatible server for the vectors of texts, and checks what it answers."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embedding.embedder import Floats
from retrieval.embedding.openai_server import OpenAIServer
from retrieval.errors import ModelUnavailable
from retrieval.settings import Settings


class OpenAIClient:
    """One model of one server; may be shared between threads."""

    def __init__(self, model: str, base_url: str | None, dimensions: int | None) -> None:
        settings = Settings()
        self._model = model
        self._server = OpenAIServer(
            model,
            base_url or settings.openai_base_url,
            timeout=settings.openai_timeout_seconds,
            max_retries=settings.openai_max_retries,
        )
        self._asked_dimensions = self._dimensions = dimensions
        self._probing = Lock()
        self.name = self._server.name

    @property
    def dimensions(self) -> int:
        """The length of the vectors; the server is asked once where nobody has said it."""
        with self._probing:
            return self._dimensions or int(self.embed(["probe"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return float32 of shape (len(texts), dimensions), rows of length 1.

        Raises TooLong where the server finds a text, or all of them together, too long.
        """
        vectors = unit_vectors(self._vectors(self._answer(texts), len(texts)), self.name)
        found = vectors.shape[1]
        self._dimensions = self._dimensions or found
        if found != self._dimensions:
            raise self._server.wrong(f"vectors of {found} dimensions instead of {self._dimensions}")
        return vectors

    def _answer(self, texts: Sequence[str]) -> Any:
        """Return the JSON of the server's answer."""
        client = self._server.client
        from openai import APIConnectionError, APIStatusError, omit

        try:
            return client.embeddings.with_raw_response.create(
                input=list(texts),
                model=self._model,
                dimensions=self._asked_dimensions or omit,
                encoding_format="float",
                extra_headers=self._server.headers,
            ).http_response.json()
        except (APIStatusError, APIConnectionError) as error:
            failure = self._server.failure(error, list(texts))
        except ValueError:
            failure = self._server.wrong("something that is not JSON")
        raise failure

    def _vectors(self, answer: Any, expected: int) -> NDArray[np.float64]:
        """Return the vectors in the order of the texts, which the field `index` tells."""
        try:
            rows = [(row["index"], row["embedding"]) for row in answer["data"]]
            by_index = dict(rows)
        except (KeyError, TypeError):
            raise self._server.wrong(
                "something that holds no embeddings with their index"
            ) from None
        if len(rows) != expected:
            raise self._server.wrong(f"{len(rows)} vectors for {expected} texts")
        if by_index.keys() != set(range(expected)):
            raise self._server.wrong(f"vectors whose index is not 0 to {expected - 1}, each once")
        try:
            vectors = np.array([by_index[row] for row in range(expected)], dtype=np.float64)
        except (TypeError, ValueError):
            vectors = np.empty(0)
        if vectors.ndim != 2:
            raise self._server.wrong("embeddings that are not lists of numbers of one length")
        return vectors


def unit_vectors(vectors: NDArray[Any], who: str) -> Floats:
    """Scale rows to length 1; one that has no direction raises ModelUnavailable."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise ModelUnavailable(f"{who} answered with a vector that holds NaN or infinity")
    if not lengths.all():
        raise ModelUnavailable(f"{who} answered with a vector of zeros")
    return np.asarray(vectors / lengths, dtype=np.float32)
