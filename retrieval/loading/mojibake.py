"""Repairs text that was decoded by a wrong encoding somewhere on its way."""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

# those that UTF-8 is taken for; "sloppy" decodes every byte, and comes with ftfy
_TAKEN_FOR = (
    *("latin-1", "iso-8859-2", "macroman", "cp437"),
    *(f"sloppy-windows-{number}" for number in (1250, 1251, 1252, 1253, 1254, 1257)),
)


def _signs(first: int, last: int) -> str:
    """What the bytes of a range are in those encodings, as a class of a regular expression."""
    data = bytes(range(first, last + 1))
    return f"[{re.escape(''.join(sorted({*''.join(map(data.decode, _TAKEN_FOR))})))}]"


@cache
def _suspect() -> re.Pattern[str]:
    """The first byte of a character of UTF-8 and one that follows, or was a no-break space.

    Searching for them is many times as fast as judging, and finds all that can be repaired.
    """
    import ftfy.bad_codecs  # noqa: F401  (takes a while to import)

    return re.compile(f"{_signs(0xC2, 0xF4)}{_signs(0x80, 0xBF)}|\u00c3 ")


@cache
def _encodings_only() -> "TextFixerConfig":
    """Quotes, ligatures, full-width characters and line ends stay as they were written."""
    from ftfy import TextFixerConfig

    return TextFixerConfig(
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


def repair(text: str) -> str:
    """Return the text with its mojibake undone, line by line; what has none stays as it is."""
    if text.isascii() or not (suspect := _suspect()).search(text):
        return text
    from ftfy import fix_text
    from ftfy.badness import is_bad

    return "".join(
        fix_text(line, _encodings_only()) if suspect.search(line) and is_bad(line) else line
        for line in text.splitlines(keepends=True)
    )
