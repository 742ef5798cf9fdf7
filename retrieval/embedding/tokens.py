"""Counts a model's tokens, and tells its tokenizer from others, without changing its state."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer

TokenCounter = Callable[[str], int]

# For models without a limit of their own: about as much as one vector can still stand for.
TOKENS_OF_UNLIMITED = 512
NO_LIMIT = 1_000_000


def token_counter(tokenizer: Any) -> TokenCounter:
    """Return a function that counts tokens without special tokens; it may run in any thread.

    A fast tokenizer is copied, since it keeps truncation and padding as state: its own may cut
    a text before it is counted, and changing them while another thread encodes is an error.
    """
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, Tokenizer):
        return lambda text: len(tokenizer.tokenize(text))
    copy = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return lambda text: len(copy.encode(text, add_special_tokens=False).ids)


def tokenizer_sha256(tokenizer: Any) -> str | None:
    """Return the SHA-256 over what decides how a text is cut, None where it cannot be told.

    Truncation and padding are left out, as they change with every call, and so are settings
    without a value, which a newer version of the tokenizers library may write and an older not.
    """
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if isinstance(backend, Tokenizer):
        parts = json.loads(backend.to_str(), object_hook=_without_nulls)
        parts = {name: parts[name] for name in parts.keys() - {"truncation", "padding"}}
    elif hasattr(tokenizer, "get_vocab"):
        parts = {"type": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
    else:
        return None
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


def _without_nulls(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def special_tokens(tokenizer: Any) -> int:
    """Return how many tokens the model adds to one text by itself."""
    count = getattr(tokenizer, "num_special_tokens_to_add", None)
    return int(count(False)) if count else 0


def content_tokens(limit: float | None, reserved: int) -> int:
    """Return how many tokens of a model's limit are left for content, at least one."""
    if limit is None or limit > NO_LIMIT:
        limit = TOKENS_OF_UNLIMITED
    return max(1, int(limit) - reserved)
