"""A text that is to be cut, and how large its parts may be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from retrieval.chunking.token_counts import Size


class Span(NamedTuple):
    """A part of a text by its offsets in characters, the end excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MeasuredText:
    """A text, what its parts count in tokens, and the most that a chunk and an overlap may."""

    text: str
    size: Size
    capacity: int
    overlap: int

    def part(self, span: Span, overlap: int = 0) -> "MeasuredText":
        """A part as a text of its own."""

        def size(start: int, end: int) -> int:
            return self.size(span.start + start, span.start + end)

        return MeasuredText(self.text[span.start : span.end], size, self.capacity, overlap)


def visible(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """The spans without the blanks around them; one of blanks alone is left out."""
    for start, end in spans:
        content = text[start:end]
        left = content.lstrip()
        if left:
            yield Span(end - len(left), start + len(content.rstrip()))
