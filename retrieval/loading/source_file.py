"""A file that is to be loaded, as the loaders of the formats see it."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from retrieval.document import Document, FileTime
from retrieval.errors import LoadError
from retrieval.loading.normalise import normalise_text
from retrieval.loading.paths import document_key, load_error, printable, reading_failed

# What is not text itself, such as a PDF with its pictures, may be larger than the text in it.
CONTAINER_FACTOR = 8


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file, its document key, and the most bytes of text that a document may have."""

    path: Path
    key: str
    type: str
    size: int
    modified: FileTime | None
    limit: int

    def open(self) -> BinaryIO:
        """Open it for reading."""
        try:
            return self.path.open("rb")
        except (OSError, ValueError) as error:
            raise self.error(reading_failed(error)) from error

    def read(self) -> bytes:
        """Read all of a file that is within the limit."""
        self.check_size(self.limit)
        with self.open() as opened:
            data = opened.read(self.limit + 1)  # it may have grown, or have told no size
        if len(data) > self.limit:
            raise self.error(self.too_large)
        return data

    def check_size(self, limit: int) -> None:
        """Refuse a file that is larger, before it is read."""
        if self.size > limit:
            raise self.error(_too_large(limit))

    @property
    def too_large(self) -> str:
        """The reason for refusing what is beyond the limit."""
        return _too_large(self.limit)

    def error(self, reason: str, part: int | None = None) -> LoadError:
        """The error that names the file, and which of its lines, rows or items it is about."""
        source = printable(self.path) + ("" if part is None else f"#{part}")
        return LoadError(source, " ".join(reason.split()))

    def document(
        self,
        content: str,
        title: str | None = None,
        *,
        key: str | None = None,
        text_config: str | None = None,
        **metadata: Any,
    ) -> Document:
        """A document from this file; without a title it has the name of the file."""
        content = normalise_text(content)
        self.check_text(content)
        return Document(
            key=key or self.key,
            content=content,
            title=_one_line(title) or printable(self.path.name),
            source=printable(os.path.abspath(self.path)),
            metadata={**self.metadata(), **metadata},
            text_config=text_config,
        )

    def record(self, content: str, title: str, key: str, metadata: Mapping[str, Any]) -> Document:
        """One of many documents from this file; what it says of itself comes before the file."""
        return Document(
            key=key,
            content=normalise_text(content),
            title=_one_line(title) or None,
            source=printable(os.path.abspath(self.path)),
            metadata={**self.metadata(), **metadata},
        )

    def metadata(self) -> dict[str, Any]:
        """What is known of every document from this file."""
        known: dict[str, Any] = {"path": self.key, "type": self.type}
        return known if self.modified is None else {**known, "modified": self.modified}

    def check_text(self, text: str, part: int | None = None) -> None:
        """Refuse a text that is beyond the limit."""
        if len(text) > self.limit or (
            len(text) * 4 > self.limit and len(text.encode("utf-8", "replace")) > self.limit
        ):
            raise self.error(self.too_large, part)


Loader = Callable[[SourceFile], Iterable[Document | LoadError]]


@dataclass(frozen=True, slots=True)
class Format:
    """What `Document.metadata["type"]` says of a kind of file, and what loads it.

    A loader raises LoadError where nothing can be had from the file, and yields one for a part.
    """

    type: str
    load: Loader


def source_file(path: Path, type: str, limit: int) -> SourceFile:
    """Look at a path; opening anything but a regular file could wait for ever."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        reason = "a link to nowhere" if path.is_symlink() else "does not exist"
        raise load_error(path, reason) from error
    except (OSError, ValueError) as error:
        raise load_error(path, reading_failed(error)) from error
    if not stat.S_ISREG(status.st_mode):
        reason = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise load_error(path, reason)
    return SourceFile(
        path, document_key(path), type, status.st_size, _file_time(status.st_mtime), limit
    )


def _file_time(seconds: float) -> FileTime | None:
    try:
        return FileTime(datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds"))
    except (OverflowError, OSError, ValueError):
        return None  # a time that no calendar has


def _too_large(limit: int) -> str:
    return f"larger than RETRIEVAL_MAXIMUM_DOCUMENT_BYTES allows ({limit:,} bytes)"


def _one_line(title: str | None) -> str:
    return " ".join(normalise_text(title or "").split())


def as_text(value: Any) -> str | None:
    """A title or key that was written as a number, as text."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def without_empty(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing."""
    return {name: value for name, value in metadata.items() if value not in (None, "")}
