"""Ranks documents by vectors in memory, exactly."""

from collections.abc import Sequence

import numpy as np

from retrieval.embedding.embedder import Floats

QUERIES_AT_ONCE = 256


def normalised(vectors: Floats, dimensions: int | None = None) -> Floats:
    """Vectors of length 1, after the first dimensions alone are kept where a number is given.

    Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022: of a model that was trained
    for it, the first dimensions of a vector are a vector as well.
    """
    kept = vectors[:, :dimensions]
    lengths = np.linalg.norm(kept, axis=1, keepdims=True)
    scaled: Floats = np.divide(kept, lengths, out=np.zeros_like(kept), where=lengths > 0)
    return scaled


def exact_rankings(
    queries: Floats, chunks: Floats, document_keys: Sequence[str], depth: int
) -> list[list[str]]:
    """For each query the keys of the best documents by their best chunk, by cosine, best first.

    `document_keys` are those of the chunks, whose vectors are of length 1 as those of the queries
    are; the chunks of a document stand next to each other. Ties go to the earlier document.
    """
    keys = np.asarray(document_keys, dtype=object)
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    rankings = []
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        scores = queries[first : first + QUERIES_AT_ONCE] @ chunks.T
        best = np.maximum.reduceat(scores, starts, axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :depth]
        rankings += [list(keys[starts[row]]) for row in order]
    return rankings
