"""One ingestion: load, chunk, embed, store, some documents at a time.

The steps are the same for the synchronous and the asynchronous retriever; those that touch the
database take a connection, those that compute take none.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from retrieval import orm
from retrieval.database import from_database_error
from retrieval.document import Document
from retrieval.embedding import Embeddings, HashingEmbedder
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import InvalidInput, LoadError
from retrieval.ingestion.chunk import chunk_document, embedding_text
from retrieval.ingestion.load import find_files, load_documents
from retrieval.ingestion.normalise import is_storable, normalise_text
from retrieval.ingestion.report import Failure, IngestReport
from retrieval.ingestion.store import (
    PreparedDocument,
    content_hash,
    put_documents,
    put_embeddings,
    stored_hashes,
)

Source = str | Path | Document

# One transaction: enough for the model's batches to fill, little to lose to an interruption.
BATCH_DOCUMENTS = 64
BATCH_CHARACTERS = 500_000
MISSING_CHUNKS = 512
BULK_CHUNKS = 1_000


@dataclass(frozen=True, slots=True)
class MissingChunk:
    """A stored chunk without an embedding, and the text that the model sees of it."""

    chunk_id: int
    text: str


class IngestRun:
    """The steps of one ingestion into one collection, and the report that they fill."""

    def __init__(
        self, collection: str, sources: Iterable[Source] | Source, space: KnownSpace | None
    ) -> None:
        self.collection = collection
        self.space = space
        # without a space nothing is embedded, but chunks still need a size
        self.embedder = space.embedder if space else HashingEmbedder()
        self.report = IngestReport()
        self._documents: list[Document] = []
        self._keys: set[str] = set()
        self._files: list[Path | LoadError] = []
        self._sort_sources([sources] if isinstance(sources, Source) else sources)
        self.total = len(self._documents) + len(self._files)

    def _sort_sources(self, sources: Iterable[Source]) -> None:
        paths = []
        for source in sources:
            if isinstance(source, Document):
                self._documents.append(source)
            else:
                paths.append(Path(source))
        found = find_files(paths)
        self._files = list(found.files)
        self.report.skipped = found.skipped

    def batches(self) -> Iterator[list[Document]]:
        """Load the documents; one that cannot be loaded goes into the report."""
        batch: list[Document] = []
        characters = 0
        for document in self._load():
            batch.append(document)
            characters += len(document.content)
            if len(batch) == BATCH_DOCUMENTS or characters > BATCH_CHARACTERS:
                yield batch
                batch, characters = [], 0
        if batch:
            yield batch

    def _load(self) -> Iterator[Document]:
        given = (replace(each, content=normalise_text(each.content)) for each in self._documents)
        for document in (*given, *load_documents(self._files)):
            if isinstance(document, LoadError):
                source, _, reason = str(document).rpartition(": ")
                self._fail(source, reason)
            elif document.key in self._keys:
                self._fail(document.key, "given twice in one run; the first one counts")
            elif not is_storable(document.key):
                self._fail(repr(document.key), "a key cannot hold NUL or surrogates")
            else:
                self._keys.add(document.key)
                yield document

    def known_hashes(
        self, connection: Connection, batch: Sequence[Document]
    ) -> dict[str, str | None]:
        """What is stored already, by key."""
        return stored_hashes(connection, self.collection, [each.key for each in batch])

    def prepare(
        self, batch: Sequence[Document], known: dict[str, str | None]
    ) -> list[PreparedDocument]:
        """Chunk and embed the documents that are new or have changed."""
        prepared = []
        for document in batch:
            try:
                digest = content_hash(document, self.embedder.max_tokens)
            except (TypeError, ValueError) as error:
                self._fail(document.key, f"metadata is not JSON: {error}")
                continue
            if known.get(document.key, "") == digest:
                self.report.unchanged += 1
            else:
                chunks = chunk_document(document, self.embedder)
                prepared.append(PreparedDocument(document, digest, chunks, None))
        return self._embed(prepared) if self.space else prepared

    def _embed(self, prepared: list[PreparedDocument]) -> list[PreparedDocument]:
        texts = [
            embedding_text(each.document.title, chunk.context, chunk.content)
            for each in prepared
            for chunk in each.chunks
        ]
        embeddings = self.embedder.embed_documents(texts)
        ends = np.cumsum([len(each.chunks) for each in prepared])
        return [
            replace(each, embeddings=embeddings[end - len(each.chunks) : end])
            for each, end in zip(prepared, ends, strict=True)
        ]

    def store(
        self,
        connection: Connection,
        prepared: Sequence[PreparedDocument],
        known: dict[str, str | None],
    ) -> None:
        """Store a batch; where the database refuses it, one by one, to find the one at fault."""
        if not prepared:
            return
        try:
            with connection.begin_nested():
                self._store(connection, prepared)
        except DBAPIError as error:
            reason = from_database_error(error)
            if not isinstance(reason, InvalidInput):
                raise
            if len(prepared) > 1:
                for each in prepared:
                    self.store(connection, [each], known)
            else:
                self._fail(prepared[0].document.key, str(reason))
            return
        for each in prepared:
            self.report.chunks += len(each.chunks)
            if each.document.key in known:
                self.report.updated += 1
            else:
                self.report.added += 1

    def _store(self, connection: Connection, prepared: Sequence[PreparedDocument]) -> None:
        chunk_ids = put_documents(connection, self.collection, prepared)
        embedded = [each for each in prepared if each.embeddings is not None and each.chunks]
        if self.space and embedded:
            ids = [
                chunk_ids[each.document.key, c.position] for each in embedded for c in each.chunks
            ]
            vectors = np.concatenate(
                [each.embeddings for each in embedded if each.embeddings is not None]
            )
            put_embeddings(connection, self.collection, self.space, ids, list(vectors))

    def missing_chunks(self, connection: Connection) -> list[MissingChunk]:
        """Some chunks that came into the collection another way and have no embedding yet."""
        if self.space is None:
            return []
        missing = orm.call(
            "missing_embeddings",
            collection=self.collection,
            space=self.space.name,
            max_results=MISSING_CHUNKS,
        ).table_valued("chunk_id", "title", "context", "content")
        return [
            MissingChunk(row.chunk_id, embedding_text(row.title, row.context, row.content))
            for row in connection.execute(select(missing))
        ]

    def embed_missing(self, missing: Sequence[MissingChunk]) -> Embeddings:
        """Embed chunks that are stored."""
        return self.embedder.embed_documents([each.text for each in missing])

    def store_missing(
        self, connection: Connection, missing: Sequence[MissingChunk], embeddings: Embeddings
    ) -> None:
        """Store the embeddings of chunks that are stored."""
        if self.space is not None:
            ids = [each.chunk_id for each in missing]
            put_embeddings(connection, self.collection, self.space, ids, list(embeddings))

    def finish(self, connection: Connection) -> None:
        """Build the space's index unless it has one, and tidy up after a bulk load."""
        if self.space is not None:
            called = orm.call("build_index", collection=self.collection, space=self.space.name)
            connection.execute(select(called))
        if self.report.chunks >= BULK_CHUNKS:
            connection.execute(select(orm.call("tidy_collection", collection=self.collection)))

    def _fail(self, source: str, reason: str) -> None:
        self.report.failures.append(Failure(os.fspath(source), reason))
