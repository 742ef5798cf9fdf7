"""A small deterministic embedder that needs no model: for tests, examples and dry runs."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from retrieval.embedding.embedder import Embeddings, Progress
from retrieval.embedding.signature import Signature

HASHING_MODEL = "hashing"
DEFAULT_DIMENSIONS = 64
TRIGRAM_WEIGHT = 0.3

_WORD = re.compile(r"\w+")
# At most six characters, as word pieces of a trained vocabulary are: scripts that write no
# spaces would otherwise be a single token.
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class HashingEmbedder:
    """Hashes lower-cased words and their character trigrams into a unit vector.

    Signed feature hashing (Weinberger et al., 2009): texts that share words are nearer to each
    other, texts that share none are nearly orthogonal. The same in every process.
    """

    def __init__(self, dimensions: int = DEFAULT_DIMENSIONS, max_tokens: int = 128) -> None:
        self.dimensions = dimensions
        self.max_tokens = max_tokens

    @property
    def model(self) -> str:
        if self.dimensions == DEFAULT_DIMENSIONS:
            return HASHING_MODEL
        return f"{HASHING_MODEL}:{self.dimensions}"

    @property
    def signature(self) -> Signature:
        return Signature(
            model=self.model,
            revision="1",
            weights_sha256=None,
            dimensions=self.dimensions,
            max_tokens=self.max_tokens,
            pooling="sum",
            prompts={"query": "", "document": ""},
        )

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> Embeddings:
        embeddings = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            embeddings[row] = self.embed_query(text)
            if on_progress is not None:
                on_progress(1)
        return embeddings

    def embed_query(self, text: str) -> Embeddings:
        embedding = np.zeros(self.dimensions, dtype=np.float32)
        for feature, weight in _features(text).items():
            hashed = _hashed(feature)
            embedding[(hashed >> 1) % self.dimensions] += weight if hashed & 1 else -weight
        return _normalised(embedding)

    def count_tokens(self, text: str) -> int:
        return sum(1 for _ in _TOKEN.finditer(text))


def _features(text: str) -> dict[str, float]:
    """Weigh each word by the root of its count, so that a repeated word does not drown the rest."""
    counts = Counter(word.group() for word in _WORD.finditer(text.lower()))
    features: defaultdict[str, float] = defaultdict(float)
    for word, count in counts.items():
        features[word] += math.sqrt(count)
        for trigram in _trigrams(word):
            features[trigram] += TRIGRAM_WEIGHT * math.sqrt(count)
    return features


def _trigrams(word: str) -> Iterator[str]:
    """Mark the ends of a word with spaces, which also keeps trigrams apart from words."""
    padded = f" {word} "
    return (f"{padded[start : start + 3]} " for start in range(len(padded) - 2))


@lru_cache(maxsize=1 << 16)
def _hashed(feature: str) -> int:
    digest = blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _normalised(embedding: Embeddings) -> Embeddings:
    """Scale to length 1; a text without a word gets the first axis, as zero has no direction."""
    length = float(np.linalg.norm(embedding))
    if length == 0:
        embedding[0] = length = 1.0
    return (embedding / length).astype(np.float32)
