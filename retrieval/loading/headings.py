"""The headings of a Markdown text, found by a CommonMark parser."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# Beyond this a heading is a paragraph that happens to stand above a line of dashes.
LONGEST_HEADING = 120

_LINE_START = re.compile(r"\A|\r\n?|\n")
# YAML between two lines of dashes; without a name in its first line it would be a thematic break.
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(?=[\w\"'][^\n]*:).*?^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading without its mark-up: its offset, and its path from the outermost to itself."""

    start: int
    level: int
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        return self.path[-1]


@cache
def _parsers() -> tuple["MarkdownIt", "MarkdownIt"]:
    """What parses blocks, and what parses the text of headings.

    Only these are parsed so far: a third of the time that whole texts would take.
    """
    from markdown_it import MarkdownIt  # takes a while to import

    blocks = MarkdownIt("commonmark").disable("inline", ignoreInvalid=True)
    return blocks, MarkdownIt("commonmark")


def find_headings(markdown: str) -> list[Heading]:
    """Return the headings from top to bottom; those inside lists and quotes do not count."""
    open_headings: list[Heading] = []
    headings: list[Heading] = []
    for start, level, text in _headings(_without_front_matter(markdown)):
        while open_headings and open_headings[-1].level >= level:
            open_headings.pop()
        above = open_headings[-1].path if open_headings else ()
        open_headings.append(Heading(start, level, (*above, text)))
        headings.append(open_headings[-1])
    return headings


def path_above(headings: Sequence[Heading], offset: int) -> tuple[str, ...]:
    """Return the headings above an offset, outermost first.

    A heading that begins right there is not above it, but ends the sections before it.
    """
    count = bisect_right(headings, offset, key=lambda heading: heading.start)
    if count == 0:
        return ()
    nearest = headings[count - 1]
    return nearest.path[:-1] if nearest.start == offset else nearest.path


def _headings(source: str) -> Iterator[tuple[int, int, str]]:
    line_starts = [line.end() for line in _LINE_START.finditer(source)]
    references: dict[str, Any] = {}
    for opening, content in pairwise(_parsers()[0].parse(source, references)):
        if opening.type != "heading_open" or opening.level > 0 or not opening.map:
            continue
        if text := _plain_text(content, references):
            start = _first_visible(source, line_starts[opening.map[0]])
            yield start, int(opening.tag[1]), text


def _plain_text(heading: "Token", references: dict[str, Any]) -> str:
    """Drop the mark-up, keep one line, and cut what is no heading but a paragraph."""
    pieces = _parsers()[1].parseInline(heading.content, references)[0].children or []
    text = " ".join("".join(piece.content or " " * _is_break(piece) for piece in pieces).split())
    return text if len(text) <= LONGEST_HEADING else f"{text[: LONGEST_HEADING - 1].rstrip()}…"


def _is_break(token: "Token") -> bool:
    return token.type in ("softbreak", "hardbreak")


def _first_visible(source: str, start: int) -> int:
    """Pass over the up to three spaces that may stand before a heading."""
    return start + len(source[start : start + 4]) - len(source[start : start + 4].lstrip(" "))


def _without_front_matter(markdown: str) -> str:
    """Blank the YAML before a text, whose last line would make a heading of it."""
    return _FRONT_MATTER.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), markdown)
