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
    DatabaseTimeout,
    DatabaseUnavailable,
    InvalidInput,
    LoadError,
    ModelUnavailable,
    NotFound,
    NotPermitted,
    NotReady,
    Overloaded,
    RetrievalError,
    SchemaMismatch,
    SpaceMismatch,
    UnsupportedDatabase,
)

# measuring
from retrieval.evaluation.evaluate import evaluate
from retrieval.evaluation.results import Evaluation
from retrieval.evaluation.search_settings import SearchSettings

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
    "DatabaseTimeout",
    "DatabaseUnavailable",
    "Document",
    "DocumentHit",
    "DocumentSummary",
    "Embedder",
    "Evaluation",
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
    "NotPermitted",
    "NotReady",
    "Outcome",
    "Overloaded",
    "Passage",
    "PassageHit",
    "Reranker",
    "RetrievalError",
    "Retriever",
    "SchemaMismatch",
    "SearchSettings",
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
    "evaluate",
]
