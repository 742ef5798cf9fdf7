"""Reads documents, some at a time."""

from collections.abc import Iterator
from functools import partial

from retrieval.document import Document
from retrieval.errors import LoadError
from retrieval.ingestion.batch import Batch
from retrieval.ingestion.options import IngestOptions
from retrieval.ingestion.preparation import Preparation
from retrieval.ingestion.report import IngestReport
from retrieval.ingestion.sources import Sources
from retrieval.ingestion.store import stored_hashes
from retrieval.ingestion.written import WrittenSpaces
from retrieval.loading.language import with_language
from retrieval.loading.normalise import is_storable
from retrieval.steps import Compute, Query, Steps

# One transaction: enough for the model's batches to fill and for the statistics to be few, little
# to lose to an interruption.
BATCH_DOCUMENTS = 2_000
BATCH_CHARACTERS = 500_000


class Reader:
    """Makes batches of the documents of all sources; `keys` are those that were met so far."""

    def __init__(
        self,
        collection: str,
        sources: Sources,
        spaces: WrittenSpaces,
        preparation: Preparation,
        options: IngestOptions,
        report: IngestReport,
    ) -> None:
        self.keys: set[str] = set()
        self._collection = collection
        self._sources = sources
        self._spaces = spaces
        self._preparation = preparation
        self._options = options
        self._report = report
        self._groups = self._grouped()

    def read(self) -> Steps[Batch | None]:
        """The next batch, cut into chunks; None after the last one."""
        documents = yield Compute(lambda: next(self._groups, None))
        if documents is None:
            return None
        keys = [each.key for each in documents]
        known = yield Query(lambda connection: stored_hashes(connection, self._collection, keys))
        embedder = self._spaces.embedder
        prepare = partial(self._preparation.prepare, documents, known, embedder)
        prepared = yield Compute(prepare)
        if not self._options.dry_run:
            prepared = yield from self._preparation.write_contexts(prepared, embedder)
        return Batch(prepared, known)

    def _grouped(self) -> Iterator[list[Document]]:
        group: list[Document] = []
        characters = 0
        for document in self._documents():
            group.append(document)
            characters += len(document.content)
            if len(group) == BATCH_DOCUMENTS or characters > BATCH_CHARACTERS:
                yield group
                group, characters = [], 0
        if group:
            yield group

    def _documents(self) -> Iterator[Document]:
        """What was loaded; what cannot be, or has no usable key, goes into the report."""
        for document in self._sources:
            if isinstance(document, LoadError):
                self._report.fail(document.source, document.reason)
            elif document.modality == "image" and not self._spaces.of_images:
                self._report.fail(document.key, f"an image, and {self._no_space_for_images}")
            elif document.key in self.keys:
                self._report.fail(document.key, "given twice in one run; the first one counts")
            elif not is_storable(document.key):
                self._report.fail(repr(document.key), "a key cannot hold NUL or surrogates")
            else:
                self.keys.add(document.key)
                detect = self._options.detect_language
                yield with_language(document) if detect else document

    @property
    def _no_space_for_images(self) -> str:
        return (
            f"collection {self._collection} has no space for images; create one: "
            f"retrieval spaces migrate {self._collection} --modality image "
            "--model sentence-transformers/clip-ViT-B-32"
        )
