"""Cuts where the structure of a text is deepest: paragraphs, Markdown's elements, syntax trees."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from semantic_text_splitter import CodeSplitter, MarkdownSplitter, TextSplitter

from retrieval.chunking.measured import MeasuredText, Span
from retrieval.chunking.token_counts import CHARACTERS_PER_TOKEN

Splitter = TextSplitter | MarkdownSplitter | CodeSplitter

# The splitter analyses the rest of a run without spaces or punctuation once per chunk, which
# takes minutes for a megabyte of ideographs; a text with a longer run is given to it in windows.
LONGEST_RUN = 5_000
CHUNKS_PER_WINDOW = 32

# White space, the common marks, and those of Chinese and Japanese.
_RUN = re.compile(r"[^\s.,;:!?\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]+")


def split_paragraphs(measured: MeasuredText) -> list[Span]:
    """Pack paragraphs; what is larger is cut at lines, then sentences, words, characters."""
    return split_structure(measured, TextSplitter.from_callback)


def split_markdown(measured: MeasuredText) -> list[Span]:
    """Pack Markdown's blocks, and cut at headings first."""
    return split_structure(measured, MarkdownSplitter.from_callback)


def split_code(measured: MeasuredText, grammar: Any) -> list[Span]:
    """Pack the parts of a syntax tree."""

    def create(*arguments: Any) -> CodeSplitter:
        return CodeSplitter.from_callback(grammar, *arguments)

    return split_structure(measured, create)


def split_structure(measured: MeasuredText, create: Callable[..., Splitter]) -> list[Span]:
    """Cut with a splitter that is made from a function for sizes, a capacity and an overlap."""
    sizes = _SizesOfPieces(measured)
    splitter = create(sizes, measured.capacity, measured.overlap)
    pieces = _split(measured.text, splitter, CHUNKS_PER_WINDOW * measured.capacity)
    return [Span(start, start + len(content)) for start, content in pieces]


class _SizesOfPieces:
    """Sizes for a splitter, which asks for them by content and does not say where that is.

    It works its way from the beginning to the end, so that a piece is found near the last one.
    Where the same characters come more than once it may be another place: the size is the same.
    """

    def __init__(self, measured: MeasuredText) -> None:
        self._measured = measured
        self._near = 0
        self._back = CHARACTERS_PER_TOKEN * measured.capacity

    def __call__(self, piece: str) -> int:
        text, near = self._measured.text, self._near
        if not text.startswith(piece, near):
            near = text.find(piece, max(0, near - self._back))
            self._near = near = text.index(piece) if near < 0 else near
        return self._measured.size(near, near + len(piece))


def _split(text: str, splitter: Splitter, window: int) -> Iterator[tuple[int, str]]:
    """Yield offset and content of each piece that holds more than white space.

    Only the last piece of a window can differ from what the whole text would give, so the next
    window begins with it.
    """
    longest_run = max((run.end() - run.start() for run in _RUN.finditer(text)), default=0)
    window = window if longest_run > LONGEST_RUN else len(text)
    start = 0
    while start < len(text):
        pieces = splitter.chunk_indices(text[start : start + window])
        following = start + window
        if following < len(text) and len(pieces) > 1 and pieces[-1][0] > 0:
            following = start + pieces.pop()[0]
        yield from ((start + offset, piece) for offset, piece in pieces if piece.strip())
        start = following
