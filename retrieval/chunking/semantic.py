"""Cuts a text where it changes its subject."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrieval.chunking.measured import MeasuredText, Span
from retrieval.chunking.packing import pack
from retrieval.embedding import Embedder
from retrieval.errors import InvalidInput


def split_semantic(
    measured: MeasuredText, ends: Sequence[int], embedder: Embedder, percentile: float
) -> list[Span]:
    """Break where what follows is less like what is before than elsewhere; pack what is between.

    The two sentences before a place are compared with the two after it, since one alone may say
    little. There is a break where their cosine similarity is below the percentile, counted from the
    top, of those of the text.
    """
    if embedder.kind != "dense":
        raise InvalidInput(f"semantic chunking needs a dense model, not a {embedder.kind} one")
    breaks = _breaks(measured.text, ends, embedder, percentile)
    spans = []
    starts = [0, *ends]
    for first, last in pairwise([0, *breaks, len(ends)]):
        start = starts[first]
        part = measured.part(Span(start, starts[last]), measured.overlap)
        between = pack(part, [end - start for end in ends[first:last]])
        spans += [Span(start + each.start, start + each.end) for each in between]
    return spans


def _breaks(text: str, ends: Sequence[int], embedder: Embedder, percentile: float) -> list[int]:
    """How many sentences are before each break."""
    if len(ends) < 3:
        return []
    cuts = [0, 0, *ends, ends[-1]]
    pairs = [text[start:end].strip() for start, end in zip(cuts, cuts[2:], strict=False)]
    vectors: NDArray[np.float32] = np.asarray(embedder.embed_documents(pairs))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarities = np.sum(vectors[:-2] * vectors[2:], axis=1)
    least = np.percentile(similarities, 100 - percentile)
    return [int(place) + 1 for place in np.flatnonzero(similarities < least)]
