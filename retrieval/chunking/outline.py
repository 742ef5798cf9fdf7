"""What stands above each place of a document: headings, pages, classes and functions."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from retrieval.chunking.measured import Span
from retrieval.loading.headings import find_headings, path_above

Path = tuple[str, ...]

PAGE_END = "\f"


@dataclass(frozen=True, slots=True)
class Outline:
    """The path above an offset, and every path that there is."""

    above: Callable[[int], Path]
    paths: frozenset[Path]


EMPTY = Outline(lambda offset: (), frozenset({()}))


def outline_of_headings(markdown: str) -> Outline:
    """The headings above; one that begins right there is not."""
    headings = find_headings(markdown)
    paths = {path for heading in headings for path in (heading.path, heading.path[:-1])}
    return Outline(partial(path_above, headings), frozenset({(), *paths}))


def outline_of_pages(text: str) -> Outline:
    """The page, such as "page 12"."""
    starts = [page.start for page in pages(text)]
    paths = [(f"page {number}",) for number in range(1, len(starts) + 1)]
    return Outline(lambda offset: paths[bisect_right(starts, offset) - 1], frozenset(paths))


def pages(text: str) -> list[Span]:
    """The pages of a text, between form feeds."""
    cuts = [0, *(end.end() for end in re.finditer(PAGE_END, text)), len(text)]
    return [Span(start, end) for start, end in pairwise(cuts)]
