"""One ingestion: read, embed, store, some documents at a time."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from retrieval.database import from_database_error
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import InvalidInput
from retrieval.ingestion.batch import Batch
from retrieval.ingestion.completion import complete
from retrieval.ingestion.condition import holding
from retrieval.ingestion.embed import embed_batch
from retrieval.ingestion.options import IngestOptions
from retrieval.ingestion.preparation import Preparation
from retrieval.ingestion.prune import prune
from retrieval.ingestion.reading import Reader
from retrieval.ingestion.report import Change, IngestReport
from retrieval.ingestion.sources import Source, Sources
from retrieval.ingestion.store import put_batch, stored_chunking, written_spaces
from retrieval.ingestion.written import WrittenSpaces
from retrieval.steps import Compute, Query, Steps, Together

Progress = Callable[[int, int], None]

LARGE_BATCH = 200


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
        self._known_spaces = known_spaces
        self._options = options or IngestOptions()
        self._on_progress = on_progress or (lambda done, total: None)
        self._spaces = WrittenSpaces(collection, known_spaces, self.report)
        self._given_space: KnownSpace | None = None
        self._shown: tuple[int, int] | None = None

    def steps(self) -> Steps[IngestReport]:
        """Do it all."""
        options, report = self._options, self.report
        yield from self._spaces.learn()
        self._given_space = self._spaces.searched
        chunking = options.chunking
        if chunking is None:
            chunking = yield Query(partial(stored_chunking, collection=self.collection))
        # images are looked for where they can be found again
        find = partial(Sources, self._given, images=self._spaces.of_images)
        sources = yield Compute(find)
        preparation = Preparation(chunking, options.contexts, self._given_space, report)
        reader = Reader(self.collection, sources, self._spaces, preparation, options, report)
        yield from self._pipeline(reader, sources)
        report.skipped = sources.skipped
        if options.prune:
            yield Query(partial(self._prune, sources=sources, reader=reader))
        if not options.dry_run:
            yield from complete(self.collection, self._spaces, self._known_spaces, report)
        if options.contexts and options.contexts.warning:
            report.warnings.append(options.contexts.warning)
        return report

    def _pipeline(self, reader: Reader, sources: Sources) -> Steps[None]:
        """Three batches are under way at once: one is embedded, one read, one stored."""
        self._show_progress(sources)
        read: Batch | None = None
        embedded: Batch | None = None
        is_reading = True
        while is_reading or read or embedded:
            embedded, read, _ = yield Together(
                (self._embed(read), reader.read(), self._store(embedded))
            )
            is_reading = read is not None
            self._show_progress(sources)

    def _show_progress(self, sources: Sources) -> None:
        progress = (self.report.done, max(sources.total, self.report.done))
        if progress != self._shown:
            self._shown = progress
            self._on_progress(*progress)

    def _embed(self, batch: Batch | None) -> Steps[Batch | None]:
        """Embed a batch for every space that it has no embeddings for."""
        if batch is not None and not self._options.dry_run:
            for space in self._spaces.by_id.values():
                if space.space_id not in batch.spaces:
                    brought = space.space_id == getattr(self._given_space, "space_id", None)
                    for error in (yield from embed_batch(batch, space, brought=brought)):
                        self.report.fail(error.source, error.reason)
        return batch

    def _store(self, batch: Batch | None) -> Steps[None]:
        """Store a batch; a large one as two, at once: the database indexes each on a core."""
        if batch is None or not batch.documents:
            return
        if self._options.dry_run:
            stored = [[batch]]
        elif len(batch.documents) < LARGE_BATCH:
            stored = [(yield from self._store_whole(batch))]
        else:
            parts = tuple(self._store_whole(half) for half in batch.halves())
            stored = yield Together(parts)
        for each in chain.from_iterable(stored):
            self._count(each)

    def _store_whole(self, batch: Batch) -> Steps[list[Batch]]:
        """Store with an embedding in every space that is written at that moment.

        Which these are is settled only in the transaction that stores; where a space was created or
        activated since, nothing is stored and the documents are embedded for it first. Returns what
        was stored.
        """
        while (stored := (yield Query(partial(self._store_now, batch=batch)))) is None:
            yield from self._spaces.learn()
            yield from self._embed(batch)
        return stored  # type: ignore[no-any-return]

    def _store_now(self, connection: Connection, batch: Batch) -> list[Batch] | None:
        """Store a batch; None if a space is written that it has no embeddings for."""
        written = {row.space_id for row in written_spaces(connection, self.collection)}
        if written - batch.spaces.keys() - self._spaces.left_out:
            return None
        return self._store_all(connection, batch, sorted(written & batch.spaces.keys()))

    def _store_all(
        self, connection: Connection, batch: Batch, spaces: Sequence[int]
    ) -> list[Batch]:
        """Store a batch; where the database refuses it, by halves, to find the one at fault."""
        try:
            with connection.begin_nested():
                self._put(connection, batch, spaces)
            return [batch]
        except DBAPIError as error:
            reason = from_database_error(error)
            if not isinstance(reason, InvalidInput):
                raise
        if len(batch.documents) > 1:
            halves = (self._store_all(connection, half, spaces) for half in batch.halves())
            return list(chain.from_iterable(halves))
        self.report.fail(batch.documents[0].document.key, str(reason))
        return []

    def _put(self, connection: Connection, batch: Batch, spaces: Sequence[int]) -> None:
        condition = self._options.condition
        if condition is None:
            put_batch(connection, self.collection, batch, spaces)
            return
        keys = [each.document.key for each in batch.documents]
        with holding(connection, self.collection, keys, condition):
            put_batch(connection, self.collection, batch, spaces)

    def _count(self, batch: Batch) -> None:
        for each in batch.documents:
            is_known = each.document.key in batch.known
            self.report.store(each.document.key, len(each.chunks), is_new=not is_known)
            if self._options.dry_run:
                change = Change(each.document.key, "update" if is_known else "add")
                self.report.changes.append(change)

    def _prune(self, connection: Connection, sources: Sources, reader: Reader) -> None:
        failed = [each.source for each in self.report.failures]
        dry_run = self._options.dry_run
        keys = prune(connection, self.collection, sources.paths, reader.keys, failed, dry_run)
        self.report.pruned = len(keys)
        if dry_run:
            self.report.changes += [Change(key, "prune") for key in keys]
