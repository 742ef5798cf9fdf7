"""Finds where words end."""

import re
from array import array
from collections.abc import Sequence

# Blanks come before a word, marks after it; Chinese and Japanese write no blanks, so that there a
# clause is what is not cut. Marks, accents and joiners are never alone.
_MARKS = r"\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f"
_WORD = re.compile(
    rf"\s*[^\s{_MARKS}]{{1,48}}[{_MARKS}]*(?![\u0300-\u036f\u200d\ufe0e\ufe0f])|\s*\S{{1,48}}|\s+"
)


def word_ends(text: str) -> Sequence[int]:
    """Return the offset after each word, the last of which is the end of the text."""
    return array("Q", (word.end() for word in _WORD.finditer(text)))
