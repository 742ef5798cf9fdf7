"""Finds where sentences end."""

from sentencex import get_sentence_boundaries

from retrieval.document import Document

# The library's rules for other languages; Chinese and Japanese marks end a sentence in each.
DEFAULT_LANGUAGE = "en"

# It compares each sentence of a paragraph with all of it, which takes minutes for a paragraph of a
# megabyte, so it sees a text through windows.
WINDOW = 2_000


def language_of(document: Document) -> str:
    """The language that loading noted, as ISO 639-1."""
    noted = document.metadata.get("language")
    return noted if isinstance(noted, str) and noted else DEFAULT_LANGUAGE


def sentence_ends(text: str, language: str) -> list[int]:
    """Return the offset after each sentence, the last of which is the end of the text.

    The blanks between two sentences belong to one of them. A sentence may be as long as the text.
    """
    ends = []
    start = 0
    while start < len(text):
        window = text[start : start + WINDOW]
        found = _visible_ends(window, language)
        following = start + len(window)
        if following < len(text):
            found.pop()  # it may go on
            following = start + found[-1] if found else following
        ends += [start + end for end in found]
        start = following
    return ends


def _visible_ends(text: str, language: str) -> list[int]:
    """The end of each sentence that is more than blanks, and of the text."""
    ends = []
    start = 0
    for boundary in get_sentence_boundaries(language, text):
        end = boundary["end_index"]
        if end < len(text) and text[start:end].strip():
            ends.append(end)
            start = end
    return [*ends, len(text)]
