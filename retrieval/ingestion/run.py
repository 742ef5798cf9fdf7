"""One ingestion: load, chunk, embed, store, some documents at a time."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from retrieval import orm
from retrieval.database import from_database_error
from retrieval.document import Document
from retrieval.embedding import Embedder, HashingEmbedder
from retrieval.embedding.cache import embed_documents, trim_cache
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import InvalidInput, LoadError, ModelUnavailable, NotReady
from retrieval.ingestion.calibrate import calibrate_steps
from retrieval.ingestion.chunk import chunk_document, embedding_text
from retrieval.ingestion.contexts import ContextWriter
from retrieval.ingestion.fill import fill_space
from retrieval.ingestion.load import find_files, load_documents
from retrieval.ingestion.normalise import is_storable, normalise_text
from retrieval.ingestion.report import Failure, IngestReport
from retrieval.ingestion.store import (
    PreparedDocument,
    content_hash,
    put_documents,
    put_embeddings,
    stored_hashes,
    written_spaces,
)
from retrieval.steps import Compute, Query, Steps

Source = str | Path | Document
Progress = Callable[[int, int], None]

# One transaction: enough for the model's batches to fill, little to lose to an interruption.
BATCH_DOCUMENTS = 64
BATCH_CHARACTERS = 500_000
BULK_CHUNKS = 1_000


class IngestRun:
    """The steps of one ingestion into one collection, and the report that they fill."""

    def __init__(
        self,
        collection: str,
        sources: Iterable[Source] | Source,
        known_spaces: KnownSpaces,
        on_progress: Progress | None = None,
        *,
        contexts: ContextWriter | None = None,
    ) -> None:
        self.collection = collection
        self._contexts = contexts
        self.report = IngestReport()
        self._known_spaces = known_spaces
        self._on_progress = on_progress or (lambda done, total: None)
        self._spaces: dict[int, KnownSpace] = {}
        self._left_out: set[int] = set()
        self._documents: list[Document] = []
        self._keys: set[str] = set()
        self._files: list[Path | LoadError] = []
        self._sort_sources([sources] if isinstance(sources, Source) else sources)
        self.total = len(self._documents) + len(self._files)

    def steps(self) -> Steps[IngestReport]:
        """Do it all."""
        yield from self._learn_spaces()
        self._on_progress(0, self.total)
        batches = self._batches()
        while batch := (yield Compute(lambda: next(batches, None))):
            known = yield Query(partial(self._known_hashes, batch=batch))
            prepared = yield Compute(partial(self._prepare, batch, known))
            if self._contexts:
                prepared = yield from self._contexts.steps(prepared, self._embedder)
            yield from self._embed_and_store(prepared, known)
            self._on_progress(self.report.done, self.total)
        self._on_progress(self.report.done, self.total)  # with what failed after the last batch
        filled = 0
        for space in self._spaces.values():
            filled += yield from fill_space(self.collection, space)
        yield Query(self._finish)
        if self.report.chunks or filled:
            yield from self._calibrate()
        if self._contexts and self._contexts.warning:
            self.report.warnings.append(self._contexts.warning)
        return self.report

    def _learn_spaces(self) -> Steps[None]:
        rows = yield Query(partial(written_spaces, collection=self.collection))
        self._spaces = {}
        for row in rows:
            if row.space_id not in self._left_out:
                space = yield Compute(partial(self._known_space, row))
                if space is not None:
                    self._spaces[row.space_id] = space

    def _known_space(self, row: Any) -> KnownSpace | None:
        """The space with its embedder; one that no search uses may be left for later."""
        if row.state == "active":
            return self._known_spaces.learn(self.collection, row.name, row.kind, row)
        try:
            return self._known_spaces.known(row)
        except ModelUnavailable as error:
            self._left_out.add(row.space_id)
            self.report.warnings.append(f"space {row.name} ({row.state}) was left out: {error}")
            return None

    @property
    def _embedder(self) -> Embedder:
        """The embedder that chunks are cut for: without a space they still need a size."""
        searched_first = sorted(
            self._spaces.values(),
            key=lambda space: (space.state != "active", space.kind != "dense"),
        )
        return searched_first[0].embedder if searched_first else HashingEmbedder()

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

    def _batches(self) -> Iterator[list[Document]]:
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

    def _known_hashes(
        self, connection: Connection, batch: Sequence[Document]
    ) -> dict[str, str | None]:
        """What is stored already, by key."""
        return stored_hashes(connection, self.collection, [each.key for each in batch])

    def _prepare(
        self, batch: Sequence[Document], known: dict[str, str | None]
    ) -> list[PreparedDocument]:
        """Chunk the documents that are new or have changed."""
        contexts, embedder = self._contexts, self._embedder
        if contexts:
            embedder = contexts.room_beside(embedder)
        prepared = []
        for document in batch:
            try:
                digest = content_hash(document, embedder.max_tokens)
                digest = contexts.content_hash(digest) if contexts else digest
            except (TypeError, ValueError) as error:
                self._fail(document.key, f"metadata is not JSON: {error}")
                continue
            if known.get(document.key, "") == digest:
                self.report.unchanged += 1
            else:
                prepared.append(
                    PreparedDocument(document, digest, chunk_document(document, embedder))
                )
        return prepared

    def _embed_and_store(
        self, prepared: list[PreparedDocument], known: dict[str, str | None]
    ) -> Steps[None]:
        """Store with an embedding in every space that is written at that moment.

        Which these are is settled only in the transaction that stores; where a space was created or
        activated since, nothing is stored and the documents are embedded for it first.
        """
        embedded: dict[int, KnownSpace] = {}
        while prepared:
            for space_id in self._spaces.keys() - embedded.keys():
                embedded[space_id] = self._spaces[space_id]
                prepared = yield from self._embed(prepared, embedded[space_id])
            stored = yield Query(
                partial(self._store, prepared=prepared, spaces=embedded, known=known)
            )
            if stored:
                return
            yield from self._learn_spaces()

    def _embed(
        self, prepared: Sequence[PreparedDocument], space: KnownSpace
    ) -> Steps[list[PreparedDocument]]:
        texts = [
            embedding_text(each.document.title, chunk.context, chunk.content)
            for each in prepared
            for chunk in each.chunks
        ]
        embeddings = iter((yield from embed_documents(space, texts)))
        return [
            replace(
                each,
                embeddings={
                    **each.embeddings,
                    space.space_id: [next(embeddings) for _ in each.chunks],
                },
            )
            for each in prepared
        ]

    def _store(
        self,
        connection: Connection,
        prepared: Sequence[PreparedDocument],
        spaces: Mapping[int, KnownSpace],
        known: dict[str, str | None],
    ) -> bool:
        """Store a batch, unless a space is written that it has no embeddings for."""
        written = {row.space_id for row in written_spaces(connection, self.collection)}
        if written - spaces.keys() - self._left_out:
            return False
        self._store_all(
            connection, prepared, [spaces[each] for each in sorted(written & spaces.keys())], known
        )
        return True

    def _store_all(
        self,
        connection: Connection,
        prepared: Sequence[PreparedDocument],
        spaces: Sequence[KnownSpace],
        known: dict[str, str | None],
    ) -> None:
        """Store a batch; where the database refuses it, one by one, to find the one at fault."""
        try:
            with connection.begin_nested():
                self._put(connection, prepared, spaces)
        except DBAPIError as error:
            reason = from_database_error(error)
            if not isinstance(reason, InvalidInput):
                raise
            if len(prepared) > 1:
                for each in prepared:
                    self._store_all(connection, [each], spaces, known)
            else:
                self._fail(prepared[0].document.key, str(reason))
            return
        for each in prepared:
            self.report.chunks += len(each.chunks)
            if each.document.key in known:
                self.report.updated += 1
            else:
                self.report.added += 1

    def _put(
        self,
        connection: Connection,
        prepared: Sequence[PreparedDocument],
        spaces: Sequence[KnownSpace],
    ) -> None:
        chunk_ids = put_documents(connection, self.collection, prepared)
        ids = [
            chunk_ids[each.document.key, chunk.position]
            for each in prepared
            for chunk in each.chunks
        ]
        for space in spaces if ids else ():
            embeddings = [
                embedding for each in prepared for embedding in each.embeddings[space.space_id]
            ]
            put_embeddings(connection, self.collection, space, ids, embeddings)

    def _finish(self, connection: Connection) -> None:
        """Build the indexes of active spaces that have none, and tidy up after a bulk load."""
        for space in self._spaces.values():
            if space.state == "active":
                self._build_index(connection, space)
        if self.report.chunks >= BULK_CHUNKS:
            connection.execute(select(orm.call("tidy_collection", collection=self.collection)))
        if self.report.chunks:
            trim_cache(connection)

    def _calibrate(self) -> Steps[None]:
        """Find out what the space that is searched should count, where it is time to."""
        for space in self._spaces.values():
            if space.state == "active" and space.kind == "dense":
                failed = yield from calibrate_steps(self.collection, space, self._known_spaces)
                if failed is not None:
                    self.report.warnings.append(failed)

    def _build_index(self, connection: Connection, space: KnownSpace) -> None:
        try:
            with connection.begin_nested():
                called = orm.call(
                    "build_index", collection=self.collection, space=space.name, kind=space.kind
                )
                connection.execute(select(called))
        except DBAPIError as error:
            reason = from_database_error(error)
            if not isinstance(reason, NotReady):  # somebody else is building it
                raise

    def _fail(self, source: str, reason: str) -> None:
        self.report.failures.append(Failure(os.fspath(source), reason))
