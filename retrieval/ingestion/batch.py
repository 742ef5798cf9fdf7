"""Some documents on their way into the database together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from retrieval.document import Document
from retrieval.embedding import Embedding
from retrieval.embedding.spaces import KnownSpace
from retrieval.ingestion.chunk import Chunk


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document with the hash of everything that decides what is stored for it, and its chunks."""

    document: Document
    content_hash: str
    chunks: Sequence[Chunk]


@dataclass(slots=True)
class Batch:
    """Documents that are new or have changed, stored in one transaction.

    `known` are the hashes that are stored already, by key; `embeddings` have an item for each chunk
    of all documents, in their order, by the id of each of the `spaces`.
    """

    documents: Sequence[PreparedDocument]
    known: Mapping[str, str | None]
    spaces: dict[int, KnownSpace] = field(default_factory=dict)
    embeddings: dict[int, Sequence[Embedding]] = field(default_factory=dict)

    @property
    def chunks(self) -> int:
        """How many chunks the documents have."""
        return sum(len(each.chunks) for each in self.documents)

    def halves(self) -> "tuple[Batch, Batch]":
        """The same documents in two batches."""
        middle = len(self.documents) // 2
        chunk = sum(len(each.chunks) for each in self.documents[:middle])
        return (
            self._part(slice(middle), slice(chunk)),
            self._part(slice(middle, None), slice(chunk, None)),
        )

    def _part(self, documents: slice, chunks: slice) -> "Batch":
        return Batch(
            self.documents[documents],
            self.known,
            self.spaces,
            {space_id: each[chunks] for space_id, each in self.embeddings.items()},
        )
