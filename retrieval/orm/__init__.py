"""The schema for SQLAlchemy: mapped classes, and the searches as selectables."""

from retrieval.orm.functions import (
    call,
    hybrid_search,
    keyword_search,
    neighbouring_chunks,
    semantic_search,
)
from retrieval.orm.models import (
    Base,
    Chunk,
    ChunkStatistics,
    Collection,
    Document,
    Embedding,
    LexemeStatistics,
    Space,
)

__all__ = [
    "Base",
    "Chunk",
    "ChunkStatistics",
    "Collection",
    "Document",
    "Embedding",
    "LexemeStatistics",
    "Space",
    "call",
    "hybrid_search",
    "keyword_search",
    "neighbouring_chunks",
    "semantic_search",
]
