"""Finds the numbers that an answer cites, and keeps those that there are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Numbers of more digits are years and the like, unless there are that many passages.
LEAST_DIGITS = 3

_DASH = "[-\u2013\u2014]"
_NUMBERS = rf"\s*\d+(?:\s*(?:{_DASH}|[,;])\s*\d+)*\s*"
# the blanks in front go with a marker that is removed
_MARKER = (
    rf"(?P<blanks>(?<![ \t])[ \t]+)?(?P<marker>\[{_NUMBERS}\]|\u3010{_NUMBERS}\u3011"
    rf"|\uff3b{_NUMBERS}\uff3d)"
)
# In code brackets are indexes. A block without an end goes on to the end of the text.
_CODE = (
    r"^[ \t]*(?P<fence>`{3,}|~{3,}).*?(?:^[ \t]*(?P=fence)|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)"
)
_CODE_OR_MARKER = re.compile(f"{_CODE}|{_MARKER}", re.DOTALL | re.MULTILINE)
_RANGE = re.compile(rf"(\d+)(?:\s*{_DASH}\s*(\d+))?")


@dataclass(frozen=True, slots=True)
class Cited:
    """A text that cites only what there is; the numbers in order of their first mention."""

    text: str
    numbers: tuple[int, ...]
    unknown: tuple[int, ...]


def check_citations(text: str, count: int) -> Cited:
    """Return the text without the citations of other passages than 1 to `count`.

    Citations are [1], [1, 2], [1][2] and [1-3], outside of code.
    """
    mentioned: dict[int, bool] = {}
    digits = max(LEAST_DIGITS, len(str(count)))

    def checked(found: re.Match[str]) -> str:
        marker = found["marker"]
        if marker is None or max(map(len, re.findall(r"\d+", marker))) > digits:
            return found[0]
        exists = {number: 1 <= number <= count for number in _numbers(marker)}
        mentioned.update(exists)
        if all(exists.values()):
            return found[0]
        known = ", ".join(str(number) for number in exists if exists[number])
        return f"{found['blanks'] or ''}{marker[0]}{known}{marker[-1]}" if known else ""

    kept = _CODE_OR_MARKER.sub(checked, text).strip()
    numbers = tuple(number for number in mentioned if mentioned[number])
    return Cited(kept, numbers, tuple(number for number in mentioned if not mentioned[number]))


def _numbers(marker: str) -> Iterator[int]:
    for first, last in _RANGE.findall(marker):
        ends = sorted((int(first), int(last or first)))
        yield from range(ends[0], ends[1] + 1)
