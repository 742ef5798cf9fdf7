"""Asking: the retriever, its asynchronous twin, and what they return."""

from retrieval.search.async_retriever import AsyncRetriever
from retrieval.search.embed import TextEmbeddings
from retrieval.search.rerank import rerank_hits
from retrieval.search.results import (
    Calibration,
    CollectionSummary,
    DocumentHit,
    Facet,
    Hit,
    PassageHit,
)
from retrieval.search.retriever import Retriever

__all__ = [
    "AsyncRetriever",
    "Calibration",
    "CollectionSummary",
    "DocumentHit",
    "Facet",
    "Hit",
    "PassageHit",
    "Retriever",
    "TextEmbeddings",
    "rerank_hits",
]
