"""Packs small parts of a text, such as words or sentences, into chunks."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from retrieval.chunking.measured import MeasuredText, Span, visible
from retrieval.chunking.structure import split_paragraphs

# No character is more tokens than it has bytes.
BYTES_PER_CHARACTER = 4


def pack(measured: MeasuredText, ends: Sequence[int]) -> list[Span]:
    """Pack the parts that end there, as many into a chunk as fit.

    A chunk begins again with the last parts of the one before as far as they fit into the overlap.
    A part that is larger than a chunk is cut as a paragraph would be.
    """
    cuts = array("Q", chain([0], _smaller(measured, ends)))
    spans: list[Span] = []
    for span in visible(measured.text, _packed(measured, cuts)):
        if not spans or span.end > spans[-1].end:  # not where blanks alone are new
            spans.append(span)
    return spans


def _smaller(measured: MeasuredText, ends: Sequence[int]) -> Iterator[int]:
    """The ends, with more of them inside what is larger than a chunk."""
    for start, end in pairwise(chain([0], ends)):
        may_be_larger = (end - start) * BYTES_PER_CHARACTER > measured.capacity
        if may_be_larger and measured.size(start, end) > measured.capacity:
            pieces = split_paragraphs(measured.part(Span(start, end)))
            yield from (start + piece.start for piece in pieces[1:])
        yield end


def _packed(measured: MeasuredText, cuts: Sequence[int]) -> Iterator[Span]:
    first, last = 0, len(cuts) - 1
    while first < last:
        end = _furthest(measured, cuts, first)
        yield Span(cuts[first], cuts[end])
        overlaps = measured.overlap > 0 and end < last
        first = _overlapping(measured, cuts, first, end) if overlaps else end


def _furthest(measured: MeasuredText, cuts: Sequence[int], first: int) -> int:
    """The last cut that fits, at least the next one; looks no further than it has to."""

    def size(end: int) -> int:
        return measured.size(cuts[first], cuts[end])

    last = len(cuts) - 1
    fits, step = first + 1, 1
    while fits + step <= last and size(fits + step) <= measured.capacity:
        fits, step = fits + step, 2 * step
    beyond = range(fits + 1, min(fits + step, last + 1))
    return fits + bisect_right(beyond, measured.capacity, key=size)


def _overlapping(measured: MeasuredText, cuts: Sequence[int], first: int, end: int) -> int:
    """The cut where the chunk after the one from first to end begins."""
    start = end
    while (
        start - 1 > first
        and measured.size(cuts[start - 1], cuts[end]) <= measured.overlap
        and measured.size(cuts[start - 1], cuts[end + 1]) <= measured.capacity
    ):
        start -= 1
    return start
