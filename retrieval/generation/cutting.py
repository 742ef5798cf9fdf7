"""Cuts a text that is too long, where a sentence or at least a word ends."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator

ELLIPSIS = " …"

# closing quotes and brackets belong to the sentence
_SENTENCE_END = re.compile(
    "[.!?…][\"'\u2019\u201d)\\]]*(?=\\s)|[\u3002\uff01\uff1f][\u300d\u300f\u201d\uff09]*|\n"
)
_BLANK = re.compile(r"\s+")


def cut_to_fit(text: str, fits: Callable[[str], bool]) -> str | None:
    """Return the beginning of a text, and an ellipsis, that fits; None if there is none.

    It ends with a sentence, else with a word, else with a character, whichever loses less than half
    of what would fit.
    """
    longest = bisect_left(
        range(1, len(text)), True, key=lambda end: not fits(text[:end].rstrip() + ELLIPSIS)
    )
    while longest > 0:
        for end in _ends(text, longest):
            piece = text[:end].rstrip() + ELLIPSIS
            if piece != ELLIPSIS and fits(piece):
                return piece
        # where a longer text may have fewer tokens, the bisection can be misled
        longest = longest * 9 // 10
    return None


def _ends(text: str, longest: int) -> Iterator[int]:
    """Yield where to cut, the best first."""
    half = longest // 2
    for pattern, edge in ((_SENTENCE_END, re.Match.end), (_BLANK, re.Match.start)):
        # one character more tells whether a sentence or a word ends right there
        ends = [edge(found) for found in pattern.finditer(text, half, longest + 1)]
        yield from [end for end in ends if half < end <= longest][-1:]
    yield longest
