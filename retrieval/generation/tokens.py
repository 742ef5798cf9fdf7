"""Counts tokens for a language model whose vocabulary is not on this machine."""

import math
from collections.abc import Callable

from retrieval.embedding.openai_tokens import estimated_tokens

TokenCounter = Callable[[str], int]


def cautious_tokens(text: str) -> int:
    """Return about how many tokens a text has for a language model, seldom too few.

    It is the estimate for embedding models, and a sixth of a token more for each byte beyond ASCII,
    which makes two tokens of a character of Chinese, Japanese or Korean: a context that is
    shorter than it might be costs less than one that the model refuses.
    """
    beyond = len(text.encode("utf-8", "replace")) - len(text.encode("ascii", "ignore"))
    return estimated_tokens(text) + math.ceil(beyond / 6)
