"""Lines of a text of any size, none of which is held in memory beyond a limit."""

from collections.abc import Iterator
from typing import TextIO

PIECE = 64 * 1024


def numbered_lines(text: TextIO, limit: int) -> Iterator[tuple[int, str | None]]:
    """Yield the number of each line, from 1, and the line; None is one that is too long."""
    number = 0
    while line := text.readline(limit + 1):
        number += 1
        if len(line) <= limit or line.endswith("\n"):
            yield number, line
        else:
            _pass_over(text)
            yield number, None


def _pass_over(text: TextIO) -> None:
    """Read to the end of a line."""
    while (piece := text.readline(PIECE)) and not piece.endswith("\n"):
        pass
