"""Keyword, semantic and hybrid search inside PostgreSQL."""

from retrieval.chunking import Chunking
from retrieval.document import Document

# embedding models
from retrieval.embedding import (
    Embedder,
    HashingEmbedder,
    ImageEmbedder,
    MultiVectorEncoderEmbedder,
    MultiVectorHashingEmbedder,
    SentenceTransformerEmbedder,
    Signature,
    SparseEncoderEmbedder,
    SparseHashingEmbedder,
)

# what goes wrong
from retrieval.errors import (
    AlreadyExists,
    ConditionFailed,
    ConfigurationError,
    DatabaseError,
    DatabaseUnavailable,
    InvalidInput,
    LoadError,
    ModelUnavailable,
    NotFound,
    NotReady,
    RetrievalError,
    SchemaMismatch,
    SpaceMismatch,
    UnsupportedDatabase,
)

# contexts for language models, and answers from them
from retrieval.generation import (
    Answer,
    ChatModel,
    Context,
    Passage,
    answer,
    answer_async,
    build_context,
)

# filling, asking, and ordering again
from retrieval.ingestion import Failure, IngestReport, Outcome
from retrieval.reranking import CrossEncoderReranker, Reranker, WordOverlapReranker
from retrieval.search import (
    AsyncRetriever,
    Calibration,
    CollectionSummary,
    DocumentHit,
    Facet,
    Hit,
    PassageHit,
    Retriever,
    TextEmbeddings,
)
from retrieval.stored import DocumentSummary, StoredChunk, StoredDocument
from retrieval.worker import FailedJob, JobCounts, Worker

__version__ = "0.1.0"

__all__ = [
    "AlreadyExists",
    "Answer",
    "AsyncRetriever",
    "Calibration",
    "ChatModel",
    "Chunking",
    "CollectionSummary",
    "ConditionFailed",
    "ConfigurationError",
    "Context",
    "CrossEncoderReranker",
    "DatabaseError",
    "DatabaseUnavailable",
    "Document",
    "DocumentHit",
    "DocumentSummary",
    "Embedder",
    "Facet",
    "FailedJob",
    "Failure",
    "HashingEmbedder",
    "Hit",
    "ImageEmbedder",
    "IngestReport",
    "InvalidInput",
    "JobCounts",
    "LoadError",
    "ModelUnavailable",
    "MultiVectorEncoderEmbedder",
    "MultiVectorHashingEmbedder",
    "NotFound",
    "NotReady",
    "Outcome",
    "Passage",
    "PassageHit",
    "Reranker",
    "RetrievalError",
    "Retriever",
    "SchemaMismatch",
    "SentenceTransformerEmbedder",
    "Signature",
    "SpaceMismatch",
    "SparseEncoderEmbedder",
    "SparseHashingEmbedder",
    "StoredChunk",
    "StoredDocument",
    "TextEmbeddings",
    "UnsupportedDatabase",
    "WordOverlapReranker",
    "Worker",
    "answer",
    "answer_async",
    "build_context",
]
