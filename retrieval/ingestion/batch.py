"""Some documents on their way into the database together."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

from retrieval.chunking import Chunk
from retrieval.document import Document
from retrieval.embedding import Embedding
from retrieval.embedding.spaces import KnownSpace


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
    of all documents, in their order, by the id of each of the `spaces`; None for one that does not
    belong into the space.
    """

    documents: Sequence[PreparedDocument]
    known: Mapping[str, str | None]
    spaces: dict[int, KnownSpace] = field(default_factory=dict)
    embeddings: dict[int, Sequence[Embedding | None]] = field(default_factory=dict)

    @property
    def chunks(self) -> int:
        """How many chunks the documents have."""
        return sum(len(each.chunks) for each in self.documents)

    def leave_out(self, positions: Container[int]) -> None:
        """Drop the documents at these positions, with the embeddings that they have."""
        kept = [position not in positions for position in range(len(self.documents))]
        kept_chunks = [
            keep for keep, each in zip(kept, self.documents, strict=True) for _ in each.chunks
        ]
        for space_id, embeddings in self.embeddings.items():
            self.embeddings[space_id] = list(compress(embeddings, kept_chunks))
        self.documents = list(compress(self.documents, kept))

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
            dict(self.spaces),  # each half may yet be embedded for another space
            {space_id: each[chunks] for space_id, each in self.embeddings.items()},
        )
