"""Turns files into documents."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.formats import FORMATS, TEXT
from retrieval.loading.paths import load_error, reading_failed
from retrieval.loading.source_file import source_file
from retrieval.settings import Settings


def load_documents(
    files: Iterable[Path | LoadError], *, maximum_bytes: int | None = None
) -> Iterator[Document | LoadError]:
    """Yield for each file its documents, or the errors that say why there are none.

    Every error begins with the path. Files with many documents are read as they are asked for.
    Without `maximum_bytes` the limit is that of the settings.
    """
    limit = maximum_bytes or Settings().maximum_document_bytes
    for file in files:
        if isinstance(file, LoadError):
            yield file
        else:
            yield from _load(file, limit)


def load_file(path: Path) -> Document:
    """Load a file that is one document; raises LoadError where there is none to be had."""
    for outcome in load_documents([path]):
        if isinstance(outcome, LoadError):
            raise outcome
        return outcome
    raise load_error(path, "holds no document")


def _load(path: Path, limit: int) -> Iterator[Document | LoadError]:
    chosen = FORMATS.get(path.suffix.lower(), TEXT)
    try:
        yield from chosen.load(source_file(path, chosen.type, limit))
    except LoadError as error:
        yield error
    except OSError as error:  # of a disk or a network, while reading
        yield load_error(path, reading_failed(error))
