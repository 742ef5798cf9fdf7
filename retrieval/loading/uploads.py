"""Files that were sent: loaded from where they are kept meanwhile, under their own names."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.formats import FORMATS, IMAGE, TEXT
from retrieval.loading.paths import load_error, printable, reading_failed
from retrieval.loading.source_file import source_file
from retrieval.settings import Settings

_DRIVE = re.compile(r"[A-Za-z]:")
# of most file systems 255, of which the suffix needs some
LONGEST_NAME = 200


def upload_name(given: str) -> str:
    """The name of a file as a document key: a path that leads nowhere else, empty if it was none.

    Folders stay, so that those that a browser sends keep their files apart.
    """
    parts = re.split(r"[/\\]+", given)
    kept = [each for each in parts if each not in ("", ".", "..") and not _DRIVE.fullmatch(each)]
    return printable("/".join(kept))


def file_name(name: str) -> str:
    """A name for the file itself, with the suffix that says what it is."""
    base = Path(name.rpartition("/")[2])
    stem = base.stem.encode("utf-8")[:LONGEST_NAME].decode("utf-8", "ignore")
    return f"{stem}{base.suffix}" if len(base.suffix) < 20 else stem


def load_upload(path: Path, name: str) -> Iterator[Document | LoadError]:
    """Yield the documents of a file, or why there are none; nothing in them names its place."""
    chosen = FORMATS.get(path.suffix.lower(), TEXT)
    if chosen is IMAGE:
        yield LoadError(name, "an image has to stay where it can be read again; ingest its file")
        return
    found = False
    try:
        file = source_file(path, chosen.type, Settings().maximum_document_bytes)
        for loaded in chosen.load(replace(file, key=name, modified=None)):
            found = True
            yield _renamed(loaded, path, name)
    except LoadError as error:
        yield _renamed(error, path, name)
        return
    except OSError as error:
        yield load_error(name, reading_failed(error))
        return
    if not found:
        yield load_error(name, "holds no document")


def _renamed(loaded: Document | LoadError, path: Path, name: str) -> Document | LoadError:
    if isinstance(loaded, Document):
        return replace(loaded, source=name)
    return LoadError(loaded.source.replace(printable(path), name), loaded.reason)
