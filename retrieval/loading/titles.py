"""Titles that are found in a text."""

from retrieval.loading.headings import find_headings

BEGINNING = 32 * 1024


def first_heading(markdown: str) -> str | None:
    """The first heading of a Markdown text; most often its beginning is enough to find it."""
    # whole lines, so that a heading in them is one in the whole text
    beginning = markdown[: markdown.rfind("\n", 0, BEGINNING) + 1]
    for part in (beginning, markdown):
        for heading in find_headings(part):
            return heading.text
    return None
