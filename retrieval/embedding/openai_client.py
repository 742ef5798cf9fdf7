"""Asks an OpenAI-compatible server for the vectors of texts, and checks what it answers."""

import os
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from retrieval.embedding.embedder import Floats
from retrieval.embedding.openai_failures import connection_failure, status_failure
from retrieval.errors import ConfigurationError, ModelUnavailable, RetrievalError
from retrieval.settings import Settings

if TYPE_CHECKING:
    from openai import OpenAI

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # the library insists on one; it is not sent


class OpenAIClient:
    """One model of one server; may be shared between threads.

    The library sends a request again after a timeout, a lost connection and the statuses 408,
    409, 429 and 5xx. It waits for as long as Retry-After says, up to two minutes, else a little
    longer each time.
    """

    def __init__(self, model: str, base_url: str | None, dimensions: int | None) -> None:
        settings = Settings()
        self._model = model
        self._timeout = settings.openai_timeout_seconds
        self._max_retries = settings.openai_max_retries
        own_url = base_url or settings.openai_base_url or os.environ.get("OPENAI_BASE_URL")
        self._needs_key = not own_url
        self._url = own_url or OPENAI_URL
        self._shown_url = _shown(self._url)
        self._asked_dimensions = self._dimensions = dimensions
        self._probing = Lock()
        self.name = f"model {model!r} at {urlsplit(self._shown_url).netloc}"

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
            raise self._wrong(f"vectors of {found} dimensions instead of {self._dimensions}")
        return vectors

    def _answer(self, texts: Sequence[str]) -> Any:
        """Return the JSON of the server's answer.

        What fails is raised outside of the handlers, apart from the library's errors: those hold
        the server's words, which may quote the key or a text.
        """
        client = self._client
        from openai import APIConnectionError, APIStatusError, omit

        failure: RetrievalError
        try:
            return client.embeddings.with_raw_response.create(
                input=list(texts),
                model=self._model,
                dimensions=self._asked_dimensions or omit,
                encoding_format="float",
                extra_headers={} if self._key else {"Authorization": omit},
            ).http_response.json()
        except APIStatusError as error:
            failure = status_failure(error, self.name, self._shown_url, self._key, texts)
        except APIConnectionError as error:
            failure = connection_failure(error, self.name, self._timeout)
        except ValueError:
            failure = self._wrong("something that is not JSON")
        raise failure

    def _vectors(self, answer: Any, expected: int) -> NDArray[np.float64]:
        """Return the vectors in the order of the texts, which the field `index` tells."""
        try:
            rows = [(row["index"], row["embedding"]) for row in answer["data"]]
            by_index = dict(rows)
        except (KeyError, TypeError):
            raise self._wrong("something that holds no embeddings with their index") from None
        if len(rows) != expected:
            raise self._wrong(f"{len(rows)} vectors for {expected} texts")
        if by_index.keys() != set(range(expected)):
            raise self._wrong(f"vectors whose index is not 0 to {expected - 1}, each once")
        try:
            vectors = np.array([by_index[row] for row in range(expected)], dtype=np.float64)
        except (TypeError, ValueError):
            vectors = np.empty(0)
        if vectors.ndim != 2:
            raise self._wrong("embeddings that are not lists of numbers of one length")
        return vectors

    def _wrong(self, what: str) -> ModelUnavailable:
        return ModelUnavailable(f"{self.name} answered with {what}")

    @cached_property
    def _key(self) -> str:
        """The key from the environment, nowhere else; empty for a server that needs none."""
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not key and self._needs_key:
            raise ModelUnavailable(
                f"{self.name} needs a key in OPENAI_API_KEY; "
                "for another server set RETRIEVAL_OPENAI_BASE_URL"
            )
        if not (key.isascii() and key.isprintable()):
            raise ConfigurationError("OPENAI_API_KEY holds characters that no key has")
        return key

    @cached_property
    def _client(self) -> "OpenAI":
        try:
            from openai import OpenAI
        except ImportError:
            raise ModelUnavailable(
                f"{self.name} needs a package: pip install 'retrieval[openai]'"
            ) from None
        return OpenAI(
            api_key=self._key or NO_KEY,
            base_url=self._url,
            timeout=self._timeout,
            max_retries=self._max_retries,
        )


def unit_vectors(vectors: NDArray[Any], who: str) -> Floats:
    """Scale rows to length 1; one that has no direction raises ModelUnavailable."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise ModelUnavailable(f"{who} answered with a vector that holds NaN or infinity")
    if not lengths.all():
        raise ModelUnavailable(f"{who} answered with a vector of zeros")
    return np.asarray(vectors / lengths, dtype=np.float32)


def _shown(url: str) -> str:
    """Return an address without its credentials and query; a wrong one is ConfigurationError."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(
            "the base URL of the OpenAI-compatible server is not like http://localhost:8000/v1"
        )
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
