"""Asking: the retriever, its asynchronous twin, and what they return."""

from retrieval.search.async_retriever import AsyncRetriever
from retrieval.search.rerank import rerank_hits
from retrieval.search.results import CollectionSummary, Hit, StoredChunk
from retrieval.search.retriever import Retriever

__all__ = ["AsyncRetriever", "CollectionSummary", "Hit", "Retriever", "StoredChunk", "rerank_hits"]
