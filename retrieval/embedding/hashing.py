"""Small deterministic embedders that need no model: for tests, examples and dry runs."""

import math
import re
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from pgvector import SparseVector

from retrieval.embedding.embedder import Embedder, Floats, Progress
from retrieval.embedding.kinds import Kind
from retrieval.embedding.signature import Signature
from retrieval.embedding.sparse import sparse_vector
from retrieval.errors import InvalidInput

HASHING_MODEL = "hashing"
DEFAULT_DIMENSIONS = 64
DEFAULT_VOCABULARY = 30_522  # that of BERT, and so of many trained sparse models
TRIGRAM_WEIGHT = 0.3

_WORD = re.compile(r"\w+")
# At most six characters, as word pieces of a trained vocabulary are: scripts that write no
# spaces would otherwise be a single token.
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")

One = TypeVar("One")


class _Hashing(ABC, Generic[One]):
    kind: ClassVar[Kind]
    default_dimensions: ClassVar[int] = DEFAULT_DIMENSIONS
    # the part of the signature that differs between the kinds
    declared: ClassVar[Mapping[str, Any]]

    def __init__(self, dimensions: int | None = None, max_tokens: int = 128) -> None:
        self.dimensions = self.default_dimensions if dimensions is None else dimensions
        self.max_tokens = max_tokens
        if self.dimensions < 1:
            raise InvalidInput(f"dimensions must be at least 1, not {dimensions}")

    @property
    def model(self) -> str:
        if self.dimensions == self.default_dimensions:
            return HASHING_MODEL
        return f"{HASHING_MODEL}:{self.dimensions}"

    @property
    def signature(self) -> Signature:
        return Signature(
            kind=self.kind,
            model=self.model,
            revision="1",
            weights_sha256=None,
            dimensions=self.dimensions,
            max_tokens=self.max_tokens,
            prompts={"query": "", "document": ""},
            **self.declared,
        )

    @abstractmethod
    def embed_query(self, text: str) -> One:
        """Embed a text; documents are embedded in the same way."""

    def count_tokens(self, text: str) -> int:
        return sum(1 for _ in _TOKEN.finditer(text))

    def _embed_each(self, texts: Sequence[str], on_progress: Progress | None) -> list[One]:
        embeddings = []
        for text in texts:
            embeddings.append(self.embed_query(text))
            if on_progress is not None:
                on_progress(1)
        return embeddings


class HashingEmbedder(_Hashing[Floats]):
    """Hashes lower-cased words and their character trigrams into a unit vector.

    Signed feature hashing (Weinberger et al., 2009): texts that share words are nearer to each
    other, texts that share none are nearly orthogonal. The same in every process.
    """

    kind: ClassVar[Kind] = "dense"
    declared: ClassVar[Mapping[str, Any]] = {"pooling": "sum", "similarity": "cosine"}

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> Floats:
        embeddings = self._embed_each(texts, on_progress)
        return np.array(embeddings, dtype=np.float32).reshape(len(texts), self.dimensions)

    def embed_query(self, text: str) -> Floats:
        return _signed(_features(text), self.dimensions)


class SparseHashingEmbedder(_Hashing[SparseVector]):
    """Hashes lower-cased words into a sparse vector of weights that grow with their logarithm.

    Nothing is negative, so that, as with a trained sparse model, words never speak against each
    other. A text without a word is a vector without an element.
    """

    kind: ClassVar[Kind] = "sparse"
    default_dimensions = DEFAULT_VOCABULARY
    declared: ClassVar[Mapping[str, Any]] = {
        "pooling": "sum",
        "similarity": "dot",
        "normalised": False,
    }

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> list[SparseVector]:
        return self._embed_each(texts, on_progress)

    def embed_query(self, text: str) -> SparseVector:
        weights: defaultdict[int, float] = defaultdict(float)
        for word, count in Counter(_words(text)).items():
            weights[_hashed(word) % self.dimensions] += 1 + math.log(count)
        indices, values = np.array(list(weights)), np.array(list(weights.values()))
        return sparse_vector(indices, values, self.dimensions)


class MultiVectorHashingEmbedder(_Hashing[Floats]):
    """Hashes each of the first `max_tokens` words into a unit vector of its own."""

    kind: ClassVar[Kind] = "multivector"
    declared: ClassVar[Mapping[str, Any]] = {"pooling": "none", "similarity": "maxsim"}

    def embed_documents(
        self, texts: Sequence[str], *, on_progress: Progress | None = None
    ) -> list[Floats]:
        return self._embed_each(texts, on_progress)

    def embed_query(self, text: str) -> Floats:
        words = list(islice(_words(text), self.max_tokens)) or [""]
        return np.stack([_signed(_features(word), self.dimensions) for word in words])


HASHING_EMBEDDERS: dict[Kind, Callable[[int | None], Embedder]] = {
    "dense": HashingEmbedder,
    "sparse": SparseHashingEmbedder,
    "multivector": MultiVectorHashingEmbedder,
}


def _words(text: str) -> Iterator[str]:
    return (word.group() for word in _WORD.finditer(text.lower()))


def _features(text: str) -> dict[str, float]:
    """Weigh each word by the root of its count, so that a repeated word does not drown the rest."""
    features: defaultdict[str, float] = defaultdict(float)
    for word, count in Counter(_words(text)).items():
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


def _signed(features: Mapping[str, float], dimensions: int) -> Floats:
    """Scale to length 1; without any feature the first axis is it, as zero has no direction."""
    embedding = np.zeros(dimensions, dtype=np.float32)
    for feature, weight in features.items():
        hashed = _hashed(feature)
        embedding[(hashed >> 1) % dimensions] += weight if hashed & 1 else -weight
    length = float(np.linalg.norm(embedding))
    if length == 0:
        embedding[0] = length = 1.0
    return (embedding / length).astype(np.float32)
