"""Where an OpenAI-compatible server is, its key, and the library's clients for it."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from retrieval.embedding.openai_failures import connection_failure, status_failure
from retrieval.errors import ConfigurationError, ModelUnavailable, RetrievalError

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, AsyncOpenAI, OpenAI

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
NO_KEY = "none"  # the library insists on one; it is not sent


@dataclass(frozen=True, slots=True, repr=False)
class NamedKey:
    """A key and what messages call the place that it comes from; it is not shown itself."""

    name: str
    value: str


class OpenAIServer:
    """One model of one server; may be shared between threads. Nothing is imported before a call.

    The key is the one given, else that of the variable OPENAI_API_KEY. The settings that messages
    tell to set are `key_setting` and `url_setting`.

    The library sends a request again after a timeout, a lost connection and the statuses 408,
    409, 429 and 5xx. It waits for as long as Retry-After says, up to two minutes, else a little
    longer each time.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None,
        *,
        timeout: float,
        max_retries: int,
        key: NamedKey | None = None,
        key_setting: str = OPENAI_KEY,
        url_setting: str = "RETRIEVAL_OPENAI_BASE_URL",
    ) -> None:
        own_url = base_url or os.environ.get("OPENAI_BASE_URL")
        self._needs_key = not own_url
        self._url = own_url or OPENAI_URL
        self._shown_url = _shown(self._url)
        self._timeout = timeout
        self._max_retries = max_retries
        self._given_key = key
        self._key_setting = key_setting
        self._url_setting = url_setting
        self.name = f"model {model!r} at {urlsplit(self._shown_url).netloc}"

    @cached_property
    def client(self) -> "OpenAI":
        try:
            from openai import OpenAI
        except ImportError:
            raise self._without_library() from None
        return OpenAI(**self._arguments())

    def new_async_client(self) -> "AsyncOpenAI":
        """Return a client for one event loop: its connections do not outlive the loop."""
        try:
            from openai import AsyncOpenAI
        except ImportError:
            raise self._without_library() from None
        return AsyncOpenAI(**self._arguments())

    @property
    def headers(self) -> dict[str, Any]:
        """What keeps the library from sending a key where there is none."""
        from openai import omit

        return {} if self._key.value else {"Authorization": omit}

    def failure(
        self, error: "APIStatusError | APIConnectionError", texts: list[str]
    ) -> RetrievalError:
        """Return the error that says what went wrong in one line, without the key or a text.

        It has to be raised outside of the handler, apart from the library's error, which holds
        the server's words: those may quote the key or a text.
        """
        from openai import APIStatusError

        if isinstance(error, APIStatusError):
            return status_failure(error, self.name, self._shown_url, self._key, texts)
        return connection_failure(error, self.name, self._timeout)

    def wrong(self, what: str) -> ModelUnavailable:
        """Return the error for an answer that cannot be used."""
        return ModelUnavailable(f"{self.name} answered with {what}")

    def _arguments(self) -> dict[str, Any]:
        return {
            "api_key": self._key.value or NO_KEY,
            "base_url": self._url,
            "timeout": self._timeout,
            "max_retries": self._max_retries,
        }

    def _without_library(self) -> ModelUnavailable:
        return ModelUnavailable(f"{self.name} needs a package: pip install 'retrieval[openai]'")

    @cached_property
    def _key(self) -> NamedKey:
        """The key; empty, and named as the setting to set, for a server that needs none."""
        key = self._given_key or NamedKey(OPENAI_KEY, os.environ.get(OPENAI_KEY, ""))
        value = key.value.strip()
        if not value and self._needs_key:
            raise ModelUnavailable(
                f"{self.name} needs a key in {self._key_setting}; "
                f"for another server set {self._url_setting}"
            )
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(f"{key.name} holds characters that no key has")
        return NamedKey(key.name if value else self._key_setting, value)


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
