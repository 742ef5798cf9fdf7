"""A small deterministic reranker that needs no model: for tests, examples and dry runs."""

import re
from collections.abc import Sequence

import numpy as np

from retrieval.embedding.embedder import Floats

WORD_OVERLAP = "word-overlap"

_WORD = re.compile(r"\w+")


class WordOverlapReranker:
    """Scores a text by the share of the query's words that are in it, from 0 to 1.

    Case does not matter, nor how often a word is there. Without a word in the query all score 0.
    """

    model = WORD_OVERLAP

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        wanted = _words(query)
        shares = [len(wanted & _words(text)) / max(1, len(wanted)) for text in texts]
        return np.array(shares, dtype=np.float32)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
