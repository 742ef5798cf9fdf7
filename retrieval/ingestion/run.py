"""One ingestion: load, chunk, embed, store, some documents at a time."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from retrieval import orm
from retrieval.chunking import Chunk, Chunking, chunk_document, embedding_text
from retrieval.database import from_database_error
from retrieval.document import Document
from retrieval.embedding import Embedder, Embedding, HashingEmbedder
from retrieval.embedding.cache import trim_cache
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import InvalidInput, LoadError, ModelUnavailable, NotReady
from retrieval.ingestion.batch import Batch, PreparedDocument
from retrieval.ingestion.calibrate import calibrate_steps
from retrieval.ingestion.embed import ChunkInput, embed_chunks
from retrieval.ingestion.fill import fill_space
from retrieval.ingestion.options import IngestOptions
from retrieval.ingestion.prune import prune
from retrieval.ingestion.queue import has_jobs
from retrieval.ingestion.report import Change, Failure, IngestReport
from retrieval.ingestion.sources import Source, Sources
from retrieval.ingestion.store import (
    content_hash,
    put_batch,
    stored_chunking,
    stored_hashes,
    written_spaces,
)
from retrieval.loading.language import with_language
from retrieval.loading.normalise import is_storable
from retrieval.steps import Compute, Query, Steps, Together

Progress = Callable[[int, int], None]

# One transaction: enough for the model's batches to fill and for the statistics to be few, little
# to lose to an interruption.
BATCH_DOCUMENTS = 2_000
BATCH_CHARACTERS = 500_000
BULK_CHUNKS = 1_000

LARGEST_NUMBER = 65_504  # of half precision


class IngestRun:
    """The steps of one ingestion into one collection, and the report that they fill."""

    def __init__(
        self,
        collection: str,
        sources: Iterable[Source] | Source,
        known_spaces: KnownSpaces,
        options: IngestOptions | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.collection = collection
        self.report = IngestReport()
        self._given = sources
        self._sources = Sources(())
        self._known_spaces = known_spaces
        self._on_progress = on_progress or (lambda done, total: None)
        self._options = options or IngestOptions()
        self._chunking = self._options.chunking or Chunking()
        self._spaces: dict[int, KnownSpace] = {}
        self._left_out: set[int] = set()
        self._embeds_images = False
        self._given_space: KnownSpace | None = None
        self._keys: set[str] = set()
        self._shown: tuple[int, int] | None = None

    def steps(self) -> Steps[IngestReport]:
        """Do it all."""
        yield from self._learn_spaces()
        self._given_space = self._searched_space()
        if self._options.chunking is None:
            self._chunking = yield Query(partial(stored_chunking, collection=self.collection))
        self._sources = yield Compute(self._find_sources)
        self._show_progress()
        yield from self._pipeline()
        self.report.skipped = self._sources.skipped
        if self._options.prune:
            self.report.pruned = yield Query(self._prune_now)
        if not self._options.dry_run:
            yield from self._complete()
        if self._options.contexts and self._options.contexts.warning:
            self.report.warnings.append(self._options.contexts.warning)
        return self.report

    def _pipeline(self) -> Steps[None]:
        """Three batches are under way at once: one is embedded, one read, one stored."""
        batches = self._batches()
        read: Batch | None = None
        embedded: Batch | None = None
        is_reading = True
        while is_reading or read or embedded:
            embedded, read, _ = yield Together(
                (self._embed(read), self._read(batches), self._store(embedded))
            )
            is_reading = read is not None
            self._show_progress()

    def _complete(self) -> Steps[None]:
        """What is due once after all documents."""
        filled = 0
        for space in self._spaces.values():
            if (yield Query(partial(has_jobs, space_id=space.space_id))):
                fail = self._fail_to_load
                filled += yield from fill_space(self.collection, space, on_failure=fail)
        yield Query(self._finish)
        if self.report.chunks or filled:
            yield from self._calibrate()

    def _find_sources(self) -> Sources:
        """Look into the folders, for images too where these can be found again."""
        return Sources(self._given, images=self._embeds_images)

    def _show_progress(self) -> None:
        progress = (self.report.done, max(self._sources.total, self.report.done))
        if progress != self._shown:
            self._shown = progress
            self._on_progress(*progress)

    # The spaces

    def _learn_spaces(self) -> Steps[None]:
        rows = yield Query(partial(written_spaces, collection=self.collection))
        spaces = {}
        self._embeds_images = any(row.modality == "image" for row in rows)
        for row in rows:
            if row.space_id not in self._left_out:
                space = yield Compute(partial(self._known_space, row))
                if space is not None:
                    spaces[row.space_id] = space
        self._spaces = spaces

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

    def _searched_space(self) -> KnownSpace | None:
        """The dense space that a search without a name goes to: of texts where there is one."""
        active = [
            each for each in self._spaces.values() if (each.state, each.kind) == ("active", "dense")
        ]
        return min(active, key=lambda space: space.modality != "text", default=None)

    @property
    def _embedder(self) -> Embedder:
        """The embedder that chunks are cut for: without a space they still need a size."""
        searched_first = sorted(
            (space for space in self._spaces.values() if space.modality == "text"),
            key=lambda space: (space.state != "active", space.kind != "dense"),
        )
        return searched_first[0].embedder if searched_first else HashingEmbedder()

    @property
    def _cutting_embedder(self) -> Embedder:
        """The embedder with the room that written contexts leave."""
        contexts = self._options.contexts
        return contexts.room_beside(self._embedder) if contexts else self._embedder

    # Reading

    def _read(self, batches: Iterator[list[Document]]) -> Steps[Batch | None]:
        """The next batch, cut into chunks; None after the last one."""
        documents = yield Compute(lambda: next(batches, None))
        if documents is None:
            return None
        keys = [each.key for each in documents]
        known = yield Query(lambda connection: stored_hashes(connection, self.collection, keys))
        prepared = yield Compute(partial(self._prepare, documents, known))
        if self._options.contexts and not self._options.dry_run:
            prepared = yield from self._options.contexts.steps(prepared, self._embedder)
        return Batch(prepared, known)

    def _batches(self) -> Iterator[list[Document]]:
        batch: list[Document] = []
        characters = 0
        for document in self._documents():
            batch.append(document)
            characters += len(document.content)
            if len(batch) == BATCH_DOCUMENTS or characters > BATCH_CHARACTERS:
                yield batch
                batch, characters = [], 0
        if batch:
            yield batch

    def _documents(self) -> Iterator[Document]:
        """What was loaded; what cannot be, or has no usable key, goes into the report."""
        for document in self._sources:
            if isinstance(document, LoadError):
                self._fail_to_load(document)
            elif document.modality == "image" and not self._embeds_images:
                self._fail(document.key, f"an image, and {self._no_space_for_images}")
            elif document.key in self._keys:
                self._fail(document.key, "given twice in one run; the first one counts")
            elif not is_storable(document.key):
                self._fail(repr(document.key), "a key cannot hold NUL or surrogates")
            else:
                self._keys.add(document.key)
                detect = self._options.detect_language
                yield with_language(document) if detect else document

    def _prepare(
        self, documents: Sequence[Document], known: dict[str, str | None]
    ) -> list[PreparedDocument]:
        """Chunk the documents that are new or have changed."""
        embedder = self._cutting_embedder
        prepared = []
        for given in documents:
            try:
                document = self._with_fitting_embedding(given)
                digest = content_hash(document, embedder.max_tokens, self._chunking)
                if self._options.contexts:
                    digest = self._options.contexts.content_hash(digest)
            except InvalidInput as error:
                self._fail(given.key, str(error))
                continue
            if known.get(document.key, "") == digest:
                self.report.unchanged += 1
            else:
                prepared.append(PreparedDocument(document, digest, self._chunks(document)))
        return prepared

    def _with_fitting_embedding(self, document: Document) -> Document:
        """The document with the embedding that it brings as float32; InvalidInput if unfit."""
        if document.embedding is None:
            return document
        if self._given_space is None:
            raise InvalidInput("it brings an embedding, but no space of dense ones is searched")
        try:
            embedding = np.asarray(document.embedding, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InvalidInput("its embedding is not a list of numbers") from error
        dimensions = self._given_space.embedder.dimensions
        if embedding.shape != (dimensions,):
            shape = " x ".join(map(str, embedding.shape)) or "no"
            space = f"space {self._given_space.name} has {dimensions}"
            raise InvalidInput(f"its embedding has {shape} dimensions, {space}")
        if not (np.abs(embedding) <= LARGEST_NUMBER).all():
            limit = f"from -{LARGEST_NUMBER} to {LARGEST_NUMBER}"
            raise InvalidInput(f"its embedding holds what is not a number {limit}")
        is_same = embedding is document.embedding
        return document if is_same else replace(document, embedding=embedding)

    def _chunks(self, document: Document) -> list[Chunk]:
        if document.embedding is None:
            return chunk_document(document, self._cutting_embedder, self._chunking)
        return [Chunk(0, document.content, 0, len(document.content), "")]

    # Embedding

    def _embed(self, batch: Batch | None) -> Steps[Batch | None]:
        """Embed a batch for every space that it has no embeddings for."""
        if batch is not None and not self._options.dry_run:
            for space_id, space in self._spaces.items():
                if space_id not in batch.spaces:
                    batch.embeddings[space_id] = yield from self._embed_for(batch, space)
                    batch.spaces[space_id] = space
        return batch

    def _embed_for(self, batch: Batch, space: KnownSpace) -> Steps[list[Embedding | None]]:
        """The embeddings of all chunks, without the documents that turn out to be unreadable."""
        chunks = [
            (position, self._input(each.document, chunk, space))
            for position, each in enumerate(batch.documents)
            for chunk in each.chunks
        ]
        wanted = [each for _, each in chunks if isinstance(each, ChunkInput)]
        made = iter((yield from embed_chunks(space, wanted)))
        embeddings = [next(made) if isinstance(each, ChunkInput) else each for _, each in chunks]
        failed = {}
        for (position, _), embedding in zip(chunks, embeddings, strict=True):
            if isinstance(embedding, LoadError):
                failed[position] = embedding
        for error in failed.values():
            self._fail_to_load(error)
        batch.leave_out(failed)
        return [
            embedding
            for (position, _), embedding in zip(chunks, embeddings, strict=True)
            if position not in failed and not isinstance(embedding, LoadError)
        ]

    def _input(
        self, document: Document, chunk: Chunk, space: KnownSpace
    ) -> ChunkInput | Embedding | None:
        """What the space's model is given; the embedding itself if the document brings it."""
        brought = document.embedding is not None and self._given_space is not None
        if brought and self._given_space and space.space_id == self._given_space.space_id:
            return np.asarray(document.embedding, dtype=np.float32)
        text = embedding_text(document.title, chunk.context, chunk.content)
        given = ChunkInput(document.key, text, chunk.content, document.modality, document.source)
        return given if given.belongs_into(space) else None

    # Storing

    def _store(self, batch: Batch | None) -> Steps[None]:
        """Store with an embedding in every space that is written at that moment.

        Which these are is settled only in the transaction that stores; where a space was created or
        activated since, nothing is stored and the documents are embedded for it first.
        """
        if batch is None or not batch.documents:
            return
        if self._options.dry_run:
            self._count(batch)
            return
        while not (yield Query(partial(self._store_now, batch=batch))):
            yield from self._learn_spaces()
            yield from self._embed(batch)

    def _store_now(self, connection: Connection, batch: Batch) -> bool:
        """Store a batch, unless a space is written that it has no embeddings for."""
        written = {row.space_id for row in written_spaces(connection, self.collection)}
        if written - batch.spaces.keys() - self._left_out:
            return False
        self._store_all(connection, batch, sorted(written & batch.spaces.keys()))
        return True

    def _store_all(self, connection: Connection, batch: Batch, spaces: Sequence[int]) -> None:
        """Store a batch; where the database refuses it, by halves, to find the one at fault."""
        try:
            with connection.begin_nested():
                put_batch(connection, self.collection, batch, spaces)
        except DBAPIError as error:
            reason = from_database_error(error)
            if not isinstance(reason, InvalidInput):
                raise
            if len(batch.documents) == 1:
                self._fail(batch.documents[0].document.key, str(reason))
            else:
                for half in batch.halves():
                    self._store_all(connection, half, spaces)
        else:
            self._count(batch)

    def _count(self, batch: Batch) -> None:
        for each in batch.documents:
            is_known = each.document.key in batch.known
            self.report.chunks += len(each.chunks)
            if is_known:
                self.report.updated += 1
            else:
                self.report.added += 1
            if self._options.dry_run:
                change = Change(each.document.key, "update" if is_known else "add")
                self.report.changes.append(change)

    # Afterwards

    def _prune_now(self, connection: Connection) -> int:
        failed = [each.source for each in self.report.failures]
        keys = prune(
            connection,
            self.collection,
            self._sources.paths,
            self._keys,
            failed,
            self._options.dry_run,
        )
        if self._options.dry_run:
            self.report.changes += [Change(key, "prune") for key in keys]
        return len(keys)

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
            # of images the words do not tell which are alike
            if (space.state, space.kind, space.modality) == ("active", "dense", "text"):
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

    @property
    def _no_space_for_images(self) -> str:
        return (
            f"collection {self.collection} has no space for images; create one: "
            f"retrieval spaces migrate {self.collection} --modality image "
            "--model sentence-transformers/clip-ViT-B-32"
        )

    def _fail_to_load(self, error: LoadError) -> None:
        self._fail(error.source, error.reason)

    def _fail(self, source: str, reason: str) -> None:
        self.report.failures.append(Failure(os.fspath(source), reason))
