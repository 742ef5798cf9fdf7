"""What a search returns."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk that was found. Ranks start at 1; a leg that did not find the chunk has None.

    Where `rerank_score` is not None it decided over the place, and `score` is that of the search.
    """

    chunk_id: int
    document_id: int
    document_key: str
    title: str | None
    position: int
    content: str
    metadata: dict[str, Any]
    score: float
    keyword_rank: int | None = None
    keyword_score: float | None = None
    semantic_rank: int | None = None
    semantic_score: float | None = None
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as it is stored; offsets are characters of its document's content."""

    chunk_id: int
    document_id: int
    position: int
    start_offset: int | None
    end_offset: int | None
    title: str | None
    context: str
    content: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """A collection with its size and the model of its active space."""

    name: str
    text_config: str
    documents: int
    chunks: int
    space: str | None
    model: str | None
    dimensions: int | None
