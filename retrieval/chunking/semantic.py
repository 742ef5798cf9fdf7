"""Cuts a text where it changes its subject."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.chunking.measured import MeasuredText, Span
from retrieval.chunking.packing import pack
from retrieval.embedding import Embedder
from retrieval.errors import InvalidInput


def split_semantic(
    measured: MeasuredText, ends: Sequence[int], embedder: Embedder, percentile: float
) -> list[Span]:
    """Break where neighbouring sentences are less alike than most, and pack what is between.

    A sentence is embedded with the one before and the one after it, since many say little alone.
    A break is where the cosine similarity of two neighbours is below the percentile, counted from
    the top, of those of the text.
    """
    if embedder.kind != "dense":
        raise InvalidInput(f"semantic chunking needs a dense model, not a {embedder.kind} one")
    breaks = _breaks(measured.text, ends, embedder, percentile)
    return list(_packed(measured, ends, breaks))


def _breaks(text: str, ends: Sequence[int], embedder: Embedder, percentile: float) -> list[int]:
    """The numbers of the sentences after which the text breaks."""
    if len(ends) < 3:
        return []
    starts = [0, *ends]
    windows = [
        text[starts[max(number - 1, 0)] : starts[min(number + 2, len(ends))]].strip()
        for number in range(len(ends))
    ]
    vectors: NDArray[np.float32] = np.asarray(embedder.embed_documents(windows))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarities = np.sum(vectors[:-1] * vectors[1:], axis=1)
    least = np.percentile(similarities, 100 - percentile)
    return [int(number) for number in np.flatnonzero(similarities < least)]


def _packed(measured: MeasuredText, ends: Sequence[int], breaks: Sequence[int]) -> Iterator[Span]:
    start = first = 0
    for last in (*breaks, len(ends) - 1):
        part = measured.part(Span(start, ends[last]), overlap=measured.overlap)
        for span in pack(part, [end - start for end in ends[first : last + 1]]):
            yield Span(start + span.start, start + span.end)
        start, first = ends[last], last + 1
