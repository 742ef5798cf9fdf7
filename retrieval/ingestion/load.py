"""Turns files and folders into documents."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.ingestion.headings import find_headings
from retrieval.ingestion.normalise import normalise_text

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
TEXT_SUFFIXES = MARKDOWN_SUFFIXES | {".txt", ".text", ".rst"}
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What was found under some paths: files to load, errors in their place, files skipped."""

    files: tuple[Path | LoadError, ...]
    skipped: int


def find_files(paths: Iterable[Path]) -> FoundFiles:
    """Find the text files among paths, in the order given, each file once.

    A path that is no folder is taken as it is, whatever its name. A folder gives its files of a
    known suffix, sorted, and then those of its subfolders; hidden ones are passed over, links to
    folders are not followed, and files of other suffixes are counted as skipped.
    """
    found: dict[object, Path | LoadError] = {}
    skipped = 0
    for path in paths:
        inside = _search_folder(path) if os.path.isdir(path) else FoundFiles((path,), 0)
        skipped += inside.skipped
        found |= {_identity(file): file for file in inside.files if _identity(file) not in found}
    return FoundFiles(tuple(found.values()), skipped)


def load_documents(files: Iterable[Path | LoadError]) -> Iterator[Document | LoadError]:
    """Yield for each file its document, or the error that says why there is none."""
    for file in files:
        try:
            yield file if isinstance(file, LoadError) else load_file(file)
        except LoadError as error:
            yield error


def load_file(path: Path) -> Document:
    """Read one file; its key is the path from the current folder, or absolute if outside of it.

    Raises LoadError, which names the path, where there is no text to be had.
    """
    absolute = Path(os.path.abspath(path))
    content = normalise_text(_decode(path, _read(path)))
    is_markdown = path.suffix.lower() in MARKDOWN_SUFFIXES
    headings = find_headings(content) if is_markdown else []
    return Document(
        key=(key := _key(absolute)),
        content=content,
        title=headings[0].text if headings else _printable(path.name),
        source=_printable(absolute),
        metadata={"path": key, "type": "markdown" if is_markdown else "text"},
    )
