"""Everything that a Python program does with the spaces of a collection."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from retrieval.document import Modality
from retrieval.embedding import Embedder, Kind
from retrieval.embedding.spaces import KnownSpaces
from retrieval.golden_sets.judgements import Judgements
from retrieval.spaces import steps
from retrieval.spaces.adapt import AdaptedSpace, adapt_steps
from retrieval.spaces.align import AlignedSpace, align_steps
from retrieval.spaces.compare import Comparison
from retrieval.spaces.export_embeddings import export_steps
from retrieval.spaces.import_embeddings import ImportedEmbeddings, import_steps
from retrieval.spaces.index import build_index_steps
from retrieval.spaces.migrate import Migration, migrate_steps
from retrieval.spaces.progress import Progress
from retrieval.spaces.steps import IndexProgress, SpaceEstimate
from retrieval.spaces.summary import SpaceSummary
from retrieval.spaces.tune import Tuning, tune_steps
from retrieval.steps import Result, Steps
from retrieval.vector_files import Columns

Caller = Connection | Session | None
Drive = Callable[[Steps[Any], Caller], Any]


class Spaces:
    """The spaces of a retriever's collections; found as `retriever.spaces`.

    A name of None means the active space. `connection` is the caller's own, as everywhere; the
    methods without it take several transactions and leave what they have reached.
    """

    def __init__(self, drive: Drive, known: KnownSpaces) -> None:
        self._drive = drive
        self._known = known

    def _run(self, steps: Steps[Result], connection: Caller = None) -> Result:
        result: Result = self._drive(steps, connection)
        return result

    def summaries(self, collection: str, *, connection: Caller = None) -> list[SpaceSummary]:
        """Every space of a collection, active ones first."""
        return self._run(steps.list_steps(collection), connection)

    def create(
        self,
        collection: str,
        embedder: Embedder,
        *,
        space: str | None = None,
        modality: Modality | None = None,
        metric: str | None = None,
        index_method: str | None = None,
        quantization: str | None = None,
        index_options: Mapping[str, int] | None = None,
        connection: Caller = None,
    ) -> str:
        """Create a space for an embedder, to be filled, and return its name.

        It embeds the text of chunks or, with the modality "image", the files of those that are
        images; the model is then one that reads both, such as CLIP. What is left out is left to
        `retrieval.create_space`.
        """
        return self._run(
            steps.create_steps(
                collection,
                embedder,
                self._known,
                space,
                modality=modality,
                metric=metric,
                index_method=index_method,
                quantization=quantization,
                index_options=index_options,
            ),
            connection,
        )

    def fill(
        self,
        collection: str,
        space: str | None = None,
        *,
        kind: Kind = "dense",
        on_progress: Progress | None = None,
    ) -> int:
        """Embed the chunks that have no embedding in a space; returns how many there were."""
        return self._run(steps.fill_steps(collection, self._known, space, kind, on_progress))

    def build_index(
        self,
        collection: str,
        space: str | None = None,
        *,
        kind: Kind = "dense",
        memory: str | None = None,
        connection: Caller = None,
    ) -> bool:
        """Build the vector index unless there is a valid one, while others read and write.

        `memory` is the server's maintenance_work_mem for it, such as "4GB". In the caller's
        transaction the build is not concurrent: writers of the space wait. Returns whether it was
        built.
        """
        return self._run(build_index_steps(collection, space, kind, memory), connection)

    def index_progress(
        self,
        collection: str,
        space: str | None = None,
        *,
        kind: Kind = "dense",
        connection: Caller = None,
    ) -> IndexProgress | None:
        """How far the index that is being built is; None while none is."""
        return self._run(steps.index_progress_steps(collection, space, kind), connection)

    def activate(self, collection: str, space: str, *, connection: Caller = None) -> None:
        """Make a space the active one of its kind; the former one becomes a shadow.

        NotReady says how many chunks have no embedding in it, if any.
        """
        self._run(steps.state_steps("activate_space", collection, space, self._known), connection)

    def rollback(
        self,
        collection: str,
        *,
        kind: Kind = "dense",
        modality: Modality = "text",
        connection: Caller = None,
    ) -> str:
        """Make the space that was active before the active one again, and return its name."""
        return self._run(steps.rollback_steps(collection, kind, modality, self._known), connection)

    def retire(self, collection: str, space: str, *, connection: Caller = None) -> None:
        """Keep a space as it is, and embed no more chunks for it."""
        self._run(steps.state_steps("retire_space", collection, space, self._known), connection)

    def resume(self, collection: str, space: str, *, connection: Caller = None) -> None:
        """Embed new chunks for a retired space again."""
        self._run(steps.state_steps("resume_space", collection, space, self._known), connection)

    def drop(
        self,
        collection: str,
        space: str,
        *,
        force: bool = False,
        connection: Caller = None,
    ) -> None:
        """Remove a space with its embeddings; the active one only with `force`."""
        self._run(steps.drop_steps(collection, space, force, self._known), connection)

    def migrate(
        self,
        collection: str,
        embedder: Embedder,
        *,
        space: str | None = None,
        modality: Modality | None = None,
        index_method: str | None = None,
        quantization: str | None = None,
        index_options: Mapping[str, int] | None = None,
        queries: Sequence[str] | Judgements | None = None,
        activate: bool = True,
        memory: str | None = None,
        on_progress: Progress | None = None,
    ) -> Migration:
        """Move a collection to another model while it is searched and written.

        Creates the new space, or goes on with the one that an interruption left; embeds every
        chunk; builds the index; compares both spaces on the queries; and makes the new one the
        active one, unless `activate` is false. The former one stays as a shadow, to which
        `rollback` returns, until it is dropped.
        """
        return self._run(
            migrate_steps(
                collection,
                embedder,
                self._known,
                space=space,
                options={
                    "modality": modality,
                    "index_method": index_method,
                    "quantization": quantization,
                    "index_options": index_options,
                },
                queries=queries,
                activate=activate,
                memory=memory,
                on_progress=on_progress,
            )
        )

    def compare(
        self,
        collection: str,
        former: str,
        new: str,
        queries: Sequence[str] | Judgements,
    ) -> Comparison:
        """Ask two spaces the same questions; judged ones give nDCG@10 as well."""
        return self._run(steps.compare_steps_by_name(collection, former, new, queries, self._known))

    def tune(
        self,
        collection: str,
        space: str | None = None,
        *,
        recall: float = 0.98,
        queries: Sequence[str] | None = None,
        sample: int = 200,
        store: bool = True,
        on_progress: Progress | None = None,
    ) -> Tuning:
        """Find the cheapest search that reaches recall@10 against exact search, and store it.

        Measured on the queries or, without any, on a sample of the chunks.
        """
        return self._run(
            tune_steps(
                collection,
                self._known,
                space=space,
                recall=recall,
                queries=queries,
                sample=sample,
                store=store,
                on_progress=on_progress,
            )
        )

    def align(
        self,
        collection: str,
        embedder: Embedder,
        *,
        source: str | None = None,
        space: str | None = None,
        sample: int = 2000,
        memory: str | None = None,
        on_progress: Progress | None = None,
    ) -> AlignedSpace:
        """Carry a space's vectors over to another model without embedding the texts again.

        A rotation is fitted to a sample that both models embed; what it loses is measured and kept
        with the new space, which is not activated.
        """
        return self._run(
            align_steps(
                collection,
                embedder,
                source=source,
                space=space,
                sample=sample,
                memory=memory,
                on_progress=on_progress,
            )
        )

    def adapt(
        self,
        collection: str,
        judgements: Judgements,
        *,
        space: str | None = None,
    ) -> AdaptedSpace:
        """Learn a map of query embeddings from judged queries; kept if it wins.

        It is judged on queries that it was not fitted to.
        """
        return self._run(adapt_steps(collection, self._known, judgements, space=space))

    def drop_adapter(
        self, collection: str, space: str | None = None, *, connection: Caller = None
    ) -> bool:
        """Remove a space's query adapter; returns whether there was one."""
        return self._run(steps.drop_adapter_steps(collection, space), connection)

    def import_embeddings(
        self,
        collection: str,
        source: str | PathLike[str] | None = None,
        *,
        table: str | None = None,
        space: str | None = None,
        key: str = "document_key",
        embedding: str = "embedding",
        chunk_position: str | None = None,
        text_hash: str | None = None,
        trust: bool = False,
        on_progress: Progress | None = None,
        connection: Caller = None,
    ) -> ImportedEmbeddings:
        """Store embeddings that exist already, from a Parquet or NumPy file or a table.

        A file that `export_embeddings` wrote brings its signature along: another model's is
        refused, and a space that does not exist is created from it. `trust` is the caller's word
        where the file or the table has none. The other names are those of columns, see
        `retrieval.import_embeddings`; in a file, `position` and `text_hash` are used if they are
        there. All are stored, or none.
        """
        return self._run(
            import_steps(
                collection,
                source,
                self._known,
                table=table,
                space=space,
                columns=Columns(key, embedding, chunk_position, text_hash),
                trust=trust,
                on_progress=on_progress,
            ),
            connection,
        )

    def export_embeddings(
        self,
        collection: str,
        path: str | PathLike[str],
        *,
        space: str | None = None,
        kind: Kind = "dense",
        on_progress: Progress | None = None,
        connection: Caller = None,
    ) -> int:
        """Write a space's embeddings to a .parquet or .npz file; returns how many there are.

        Each with its document's key, its position and the hash of the text that was embedded, and
        all with the signature of the space.
        """
        return self._run(
            export_steps(collection, path, space=space, kind=kind, on_progress=on_progress),
            connection,
        )

    def estimate(
        self,
        chunks: int,
        dimensions: int,
        *,
        index_options: Mapping[str, int] | None = None,
        connection: Caller = None,
    ) -> list[SpaceEstimate]:
        """What a space of so many chunks needs on disk and in memory, by index."""
        return self._run(steps.estimate_steps(chunks, dimensions, index_options), connection)
