"""Turns files and folders into documents."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.chunking.headings import find_headings
from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.ingestion.normalise import normalise_text

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
TEXT_SUFFIXES = MARKDOWN_SUFFIXES | {".txt", ".text", ".rst"}
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """Files to load with errors in their place, and how many other files the folders hold."""

    files: tuple[Path | LoadError, ...]
    skipped: int


def find_files(paths: Iterable[Path]) -> FoundFiles:
    """Find the text files among paths, in the order given, each file once.

    A path that is no folder is taken as it is, whatever its name. A folder gives its files of a
    known suffix, sorted, and then those of its subfolders; hidden ones are passed over, links to
    folders are not followed, and files of other suffixes count as skipped.
    """
    found: dict[str, Path | LoadError | None] = {}
    for path in paths:
        for place, outcome in _search(path):
            absolute = os.path.abspath(place)
            # A file skipped in its folder is still loaded when it is named as well.
            if found.get(absolute) is None:
                found[absolute] = outcome
    files = tuple(outcome for outcome in found.values() if outcome is not None)
    return FoundFiles(files, skipped=len(found) - len(files))


def load_documents(files: Iterable[Path | LoadError]) -> Iterator[Document | LoadError]:
    """Yield for each file its document, or the error that says why there is none."""
    for file in files:
        try:
            yield file if isinstance(file, LoadError) else load_file(file)
        except LoadError as error:
            yield error


def load_file(path: Path) -> Document:
    """Read one file; its key is its path from the current folder, absolute if outside of it.

    Raises LoadError, which names the path, where there is no text to be had.
    """
    content = normalise_text(_decode(path, _read(path)))
    is_markdown = path.suffix.lower() in MARKDOWN_SUFFIXES
    headings = find_headings(content) if is_markdown else []
    absolute = Path(os.path.abspath(path))
    key = _key(absolute)
    return Document(
        key=key,
        content=content,
        title=headings[0].text if headings else _printable(absolute.name),
        source=_printable(absolute),
        metadata={"path": key, "type": "markdown" if is_markdown else "text"},
    )


def _search(path: Path) -> Iterator[tuple[Path, Path | LoadError | None]]:
    """Yield each path with what comes of it; None is a file that is passed over."""
    return _search_folder(path) if os.path.isdir(path) else iter([(path, path)])


def _search_folder(folder: Path) -> Iterator[tuple[Path, Path | LoadError | None]]:
    unreadable: list[OSError] = []
    has_text = False
    for parent, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = _visible(folders)
        for file in (Path(parent, name) for name in _visible(names)):
            is_text = file.suffix.lower() in TEXT_SUFFIXES
            has_text = has_text or is_text
            yield file, file if is_text else None
    for error in unreadable:
        yield Path(error.filename), _load_error(error.filename, _reason(error))
    if not has_text and not unreadable:
        yield folder, _load_error(folder, f"no text files ({', '.join(sorted(TEXT_SUFFIXES))})")


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _read(path: Path) -> bytes:
    """Read a regular file; opening anything else could wait for ever."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.read_bytes()
    except FileNotFoundError as error:
        reason = "a link to nowhere" if path.is_symlink() else "does not exist"
        raise _load_error(path, reason) from error
    except (OSError, ValueError) as error:
        raise _load_error(path, _reason(error)) from error
    raise _load_error(path, "a folder" if stat.S_ISDIR(mode) else "not a regular file")


def _decode(path: Path, data: bytes) -> str:
    name = "UTF-16" if data.startswith(UTF16_MARKS) else "UTF-8"
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        reason = f"not {name} text (byte {error.start} cannot be decoded)"
        raise _load_error(path, reason) from error
    if "\0" in text:
        raise _load_error(path, "not text (it contains NUL bytes)")
    return text


def _key(absolute: Path) -> str:
    here = Path.cwd()
    inside = absolute.is_relative_to(here)
    return _printable((absolute.relative_to(here) if inside else absolute).as_posix())


def _printable(path: str | Path) -> str:
    """Return a path as valid text of one line; bytes and controls that are none are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    text = _CONTROL.sub(lambda control: f"\\x{ord(control.group()):02x}", text)
    return unicodedata.normalize("NFC", text)


def _reason(error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read ({(reason or str(error)).lower()})"


def _load_error(path: str | Path, reason: str) -> LoadError:
    return LoadError(f"{_printable(path)}: {reason}")
