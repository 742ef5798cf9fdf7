"""How paths are written in keys, metadata and messages."""

import os
import re
import unicodedata
from pathlib import Path

from retrieval.errors import LoadError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def document_key(path: Path) -> str:
    """The path from the current folder with slashes; absolute if it is outside of it."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    inside = absolute.is_relative_to(here)
    return printable((absolute.relative_to(here) if inside else absolute).as_posix())


def printable(path: str | Path) -> str:
    """Return a path as valid text of one line; bytes and controls that are none are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    text = _CONTROL.sub(lambda control: f"\\x{ord(control.group()):02x}", text)
    return unicodedata.normalize("NFC", text)


def load_error(path: str | Path, reason: str) -> LoadError:
    """The error that names a path, and why nothing can be loaded from it, in one line."""
    return LoadError(printable(path), " ".join(reason.split()))


def reading_failed(error: OSError | ValueError) -> str:
    """The reason of an operation on a file that failed."""
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read ({(reason or str(error)).lower()})"
