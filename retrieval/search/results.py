"""What a search returns."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk that was found. Ranks start at 1; a leg that did not find the chunk has None.

    `contributions` says of each leg that found the chunk its rank, its score and what it added to
    `score`; it is empty where one leg was searched by itself, whose score then is the `score`.
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
    sparse_rank: int | None = None
    sparse_score: float | None = None
    late_interaction_rank: int | None = None
    late_interaction_score: float | None = None
    contributions: dict[str, Any] = field(default_factory=dict)
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class DocumentHit:
    """One document that was found, with its best chunk.

    `chunk_ids` are all of its chunks among the candidates of the search, best first.
    """

    document_id: int
    document_key: str
    title: str | None
    metadata: dict[str, Any]
    score: float
    chunk_id: int
    position: int
    content: str
    chunk_ids: list[int]


@dataclass(frozen=True, slots=True)
class RankedChunk:
    """What passages need to know of a hit."""

    chunk_id: int
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class PassageHit:
    """Neighbouring hits with what is around them, as one text of a document.

    Positions are those of its first and last chunk; offsets are characters of the document's
    content, None where its chunks have none. `score` is the best of its hits, which `hit_ids` names
    in order of their position. `context` is the path of headings that its chunks share.
    """

    document_id: int
    document_key: str
    title: str | None
    context: str
    metadata: dict[str, Any]
    first_position: int
    last_position: int
    start_offset: int | None
    end_offset: int | None
    content: str
    score: float
    hit_ids: list[int]


@dataclass(frozen=True, slots=True)
class Facet:
    """How many of the matches have a value under a metadata key."""

    key: str
    value: Any
    documents: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a space should count beside the words, where these count 1.

    `agreement` is the share of the ten nearest chunks that words find too. `weight` is None where
    too few chunks, of those `sampled`, share words with others to say.
    """

    space_name: str
    sampled: int
    agreement: float | None
    weight: float | None


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """A collection with its size and the model of its active space.

    `chunking` is what was set by `set_chunking`, None where nothing was; so are `ranking` and
    `field_weights` by the methods that set them.
    """

    name: str
    text_config: str
    documents: int
    chunks: int
    space: str | None
    model: str | None
    dimensions: int | None
    chunking: dict[str, Any] | None = None
    ranking: dict[str, Any] | None = None
    field_weights: dict[str, float] | None = None
