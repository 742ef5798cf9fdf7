"""Repairs text that was decoded by a wrong encoding somewhere on its way."""

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


def repair(text: str) -> str:
    """Return the text with its mojibake undone, line by line; what has none stays as it is."""
    if text.isascii() or not is_bad(text):
        return text
    return "".join(
        line if line.isascii() or not is_bad(line) else fix_text(line, _ENCODINGS_ONLY)
        for line in text.splitlines(keepends=True)
    )
