"""From a document to its chunks."""

from retrieval.chunking.chunk import CONTEXT_SEPARATOR, Chunk, chunk_document, embedding_text
from retrieval.chunking.chunking import STRATEGIES, Chunking, Strategy

__all__ = [
    "CONTEXT_SEPARATOR",
    "STRATEGIES",
    "Chunk",
    "Chunking",
    "Strategy",
    "chunk_document",
    "embedding_text",
]
