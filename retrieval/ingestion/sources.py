"""What an ingestion is given: documents, files and folders, read one after the other."""

from collections.abc import Iterable, Iterator, Sized
from dataclasses import replace
from pathlib import Path

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.loading import find_files, load_documents
from retrieval.loading.images import complete_image
from retrieval.loading.normalise import normalise_text

Source = str | Path | Document


class Sources:
    """Reads documents from what was given, each when it is its turn.

    Folders of a list are searched at once, so that the total is known; what comes from an iterator
    is taken as it comes, and the total grows. Folders are searched for images if asked.
    """

    def __init__(self, given: Iterable[Source] | Source, *, images: bool = False) -> None:
        self._images = images
        self.paths: list[Path] = []
        self.skipped = 0
        self.total = 0
        self._documents: list[Document] = []
        self._files: list[Path | LoadError] = []
        self._later: Iterator[Source] = iter(())
        if isinstance(given, Source):
            given = [given]
        if isinstance(given, Sized):
            self._sort(given)
        else:
            self._later = iter(given)

    def __iter__(self) -> Iterator[Document | LoadError]:
        """Every document with its text normalised, or why there is none."""
        yield from self._read()
        for source in self._later:
            self._sort([source])
            yield from self._read()

    def _sort(self, given: Iterable[Source]) -> None:
        documents = [each for each in given if isinstance(each, Document)]
        paths = [Path(each) for each in given if not isinstance(each, Document)]
        found = find_files(paths, images=self._images)
        self.paths += paths
        self.skipped += found.skipped
        self.total += len(documents) + len(found.files)
        self._documents, self._files = documents, list(found.files)

    def _read(self) -> Iterator[Document | LoadError]:
        for document in self._documents:
            yield _as_given(document)
        for file in self._files:
            for number, loaded in enumerate(load_documents([file])):
                self.total += number > 0  # a file may hold many documents
                yield loaded


def _as_given(document: Document) -> Document | LoadError:
    """A document from Python, as one from a file would be."""
    content = normalise_text(document.content)
    if content != document.content:
        document = replace(document, content=content)
    if document.modality == "text":
        return document
    try:
        return complete_image(document)
    except LoadError as error:
        return error
