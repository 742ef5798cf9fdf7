"""What is stored, read back: documents and chunks, one or a page of them."""

from retrieval.stored.results import DocumentSummary, StoredChunk, StoredDocument

__all__ = ["DocumentSummary", "StoredChunk", "StoredDocument"]
