"""Turns what an OpenAI-compatible server refused into one line without the key or a text."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from retrieval.errors import InvalidInput, ModelUnavailable, RetrievalError

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError

    from retrieval.embedding.openai_server import NamedKey

SHOWN_CHARACTERS = 200
QUOTED_CHARACTERS = 20

# What OpenAI, vLLM, Text Embeddings Inference, llama.cpp, Ollama and Mistral say.
_LENGTH = re.compile(
    r"context.length|(?:input|prompt|sequence) length|too (?:large|long|many)|batch size"
    r"|less than \d+ tokens|\bmax\w* .{0,40}tokens",
    re.IGNORECASE,
)


class TooLong(InvalidInput):
    """The server refused a request for the length of its texts or their number."""


def status_failure(
    error: "APIStatusError", who: str, url: str, key: "NamedKey", texts: Sequence[str]
) -> RetrievalError:
    """Return the error that says what a status means."""
    status = f"(HTTP {error.status_code})"
    words = _words(error.body)
    match error.status_code:
        case 401 | 403 if key.value:
            return ModelUnavailable(f"{who} refused the key in {key.name} {status}")
        case 401 | 403:
            return ModelUnavailable(f"{who} wants a key {status}: set {key.name}")
        case 404:
            return ModelUnavailable(f"{who}: there is no such model at {url} {status}")
        case code if code == 413 or _LENGTH.search(words):
            return TooLong(f"{who} finds its input too long {status}")
        case 429:
            return ModelUnavailable(
                f"{who} is over its rate limit or quota {status}{_tries(error)}"
            )
        case 400 | 422:
            return InvalidInput(
                f"{who} refused the request {status}{_shown(words, key.value, texts)}"
            )
    return ModelUnavailable(f"{who} failed {status}{_tries(error)}")


def connection_failure(error: "APIConnectionError", who: str, timeout: float) -> ModelUnavailable:
    """Return the error for a server that gave no answer."""
    from openai import APITimeoutError

    if isinstance(error, APITimeoutError):
        return ModelUnavailable(f"{who} gave no answer within {timeout:g} seconds{_tries(error)}")
    return ModelUnavailable(f"{who} cannot be reached: {_cause(error)}{_tries(error)}")


def _tries(error: "APIStatusError | APIConnectionError") -> str:
    """Say how often the request was sent again, which the library counts in a header."""
    retries = int(error.request.headers.get("x-stainless-retry-count", "0"))
    return f" after {retries + 1} tries" if retries else ""


def _cause(error: BaseException | None) -> str:
    """Return what the operating system said, else the kind of the innermost error.

    The messages of an HTTP library's own errors may quote a header, and so the key.
    """
    kind = "no connection"
    while error := error and (error.__cause__ or error.__context__):
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        kind = type(error).__name__
    return kind


def _words(body: Any) -> str:
    """Return the sentence of an error's body; servers differ in where they put it."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail")
    return body if isinstance(body, str) else ""


def _shown(words: str, key: str, texts: Sequence[str]) -> str:
    """Quote the server's first words, unless it quotes the key or a text itself."""
    line = " ".join(words.split())
    first = line[: SHOWN_CHARACTERS + QUOTED_CHARACTERS]
    if not line or (key and key in words) or any(_is_quoted(text, first) for text in texts):
        return ""
    return f": {line[:SHOWN_CHARACTERS].rstrip('.')}"


def _is_quoted(text: str, line: str) -> bool:
    """Whether a line holds a text, or of a longer one some characters from anywhere in it."""
    text = " ".join(text.split())
    if len(text) <= QUOTED_CHARACTERS:
        return text != "" and text in line
    starts = range(len(line) - QUOTED_CHARACTERS + 1)
    return any(line[start : start + QUOTED_CHARACTERS] in text for start in starts)
