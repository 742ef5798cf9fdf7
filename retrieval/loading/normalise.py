"""Brings text into the one form that is stored, indexed and embedded."""

import re
import unicodedata

_LINE_END = re.compile(r"\r\n?")
_SURROGATE = re.compile("[\ud800-\udfff]")


def normalise_text(text: str) -> str:
    """Return the text in Unicode NFC with \\n as line end, and fit for PostgreSQL.

    NUL, which PostgreSQL cannot store, and byte order marks at the beginning are dropped. A
    surrogate pair becomes its character, a lone surrogate U+FFFD.
    """
    text = _LINE_END.sub("\n", text.replace("\0", "").lstrip("\ufeff"))
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return unicodedata.normalize("NFC", text)


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can store the text as it is."""
    return "\0" not in text and not _SURROGATE.search(text)
