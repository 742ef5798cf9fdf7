"""Repairs text that was decoded by a wrong encoding somewhere on its way."""

import re

from ftfy import TextFixerConfig, fix_text
from ftfy.badness import is_bad

# Only encodings: quotes, ligatures, full-width characters and line ends stay as they were written.
_ENCODINGS_ONLY = TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    fix_c1_controls=False,
    normalization=None,
    explain=False,
)

# those that UTF-8 is taken for; "sloppy" decodes every byte, and comes with ftfy
_TAKEN_FOR = (
    *("latin-1", "iso-8859-2", "macroman", "cp437"),
    *(f"sloppy-windows-{number}" for number in (1250, 1251, 1252, 1253, 1254, 1257)),
)


def _signs(first: int, last: int) -> str:
    """What the bytes of a range are in those encodings, as a class of a regular expression."""
    data = bytes(range(first, last + 1))
    return f"[{re.escape(''.join(sorted({*''.join(map(data.decode, _TAKEN_FOR))})))}]"


# The first byte of a character of UTF-8 and one that follows, which may have been a no-break space.
# Searching for them is many times as fast as judging, and finds all that can be repaired.
_SUSPECT = re.compile(f"{_signs(0xC2, 0xF4)}{_signs(0x80, 0xBF)}|\u00c3 ")


def repair(text: str) -> str:
    """Return the text with its mojibake undone, line by line; what has none stays as it is."""
    if text.isascii() or not _SUSPECT.search(text):
        return text
    return "".join(
        fix_text(line, _ENCODINGS_ONLY) if _SUSPECT.search(line) and is_bad(line) else line
        for line in text.splitlines(keepends=True)
    )
