"""The schema for SQLAlchemy: mapped classes, and the searches as selectables."""

from .functions import hybrid_search, keyword_search, neighbouring_chunks, semantic_search
from .models import (
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
    "hybrid_search",
    "keyword_search",
    "neighbouring_chunks",
    "semantic_search",
]
