"""Stores files that were sent: each is kept in a temporary folder while its documents are read."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from fastapi import UploadFile

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading.uploads import file_name, load_upload, upload_name
from retrieval.search import AsyncRetriever
from retrieval.service.document_schemas import FileOutcome

# a large file's documents are not all in memory
GROUP_DOCUMENTS = 200


class Loaded(NamedTuple):
    """What was had from a file."""

    file: str
    document: Document | LoadError


async def put_files(
    retriever: AsyncRetriever,
    collection: str,
    files: Sequence[UploadFile],
    metadata: Mapping[str, Any],
) -> list[FileOutcome]:
    """Store the documents of files; of a key that is there twice the first one counts."""
    results: list[FileOutcome] = []
    async for group in _groups(files, metadata):
        documents = [each.document for each in group if isinstance(each.document, Document)]
        outcomes = iter(await retriever.put_documents(collection, documents) if documents else [])
        for file, loaded in group:
            if isinstance(loaded, LoadError):
                results.append(_failed(file, loaded))
            else:
                stored = next(outcomes)
                given = {name: getattr(stored, name) for name in ("document_key", "status")}
                results.append(
                    FileOutcome(file=file, **given, chunks=stored.chunks, reason=stored.reason)
                )
    return results


def _failed(file: str, error: LoadError) -> FileOutcome:
    # a part of a file is named after it: reviews.csv#7
    _, mark, part = error.source.rpartition("#")
    where = f"{part}: " if mark and part.isdigit() else ""
    return FileOutcome(
        file=file, document_key=None, status="failed", chunks=0, reason=where + error.reason
    )


async def _groups(
    files: Sequence[UploadFile], metadata: Mapping[str, Any]
) -> AsyncIterator[list[Loaded]]:
    """The documents of all files, some at a time; reading them is work for a thread."""
    with TemporaryDirectory(prefix="retrieval-upload-") as folder:
        loaded = _load(files, Path(folder), metadata)
        while group := await asyncio.to_thread(lambda: list(islice(loaded, GROUP_DOCUMENTS))):
            yield group


def _load(
    files: Sequence[UploadFile], folder: Path, metadata: Mapping[str, Any]
) -> Iterator[Loaded]:
    keys: set[str] = set()
    for number, file in enumerate(files):
        given = file.filename or ""
        name = upload_name(given)
        if not name:
            yield Loaded(given, LoadError(given, "the file has no name"))
            continue
        place = folder / str(number)
        place.mkdir()
        path = place / file_name(name)
        with path.open("wb") as kept:
            shutil.copyfileobj(file.file, kept)
        for each in load_upload(path, name):
            if isinstance(each, Document) and each.key in keys:
                each = LoadError(name, f"{each.key} is there twice; the first one counts")
            elif isinstance(each, Document):
                keys.add(each.key)
                each = replace(each, metadata={**each.metadata, **metadata})
            yield Loaded(given, each)
        shutil.rmtree(place)
