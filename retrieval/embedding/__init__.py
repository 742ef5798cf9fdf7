"""Embedding models: what they must offer, the ones there are, and how to tell them apart."""

from retrieval.embedding.backend import BACKENDS, Backend
from retrieval.embedding.create import create_embedder
from retrieval.embedding.embedder import (
    Embedder,
    Embedding,
    Embeddings,
    ImageEmbedder,
    Progress,
    modalities_of,
)
from retrieval.embedding.hashing import (
    HASHING_MODEL,
    HashingEmbedder,
    MultiVectorHashingEmbedder,
    SparseHashingEmbedder,
)
from retrieval.embedding.kinds import KINDS, Kind
from retrieval.embedding.locate import DEFAULT_MODEL
from retrieval.embedding.multi_vector_encoder import MultiVectorEncoderEmbedder
from retrieval.embedding.sentence_transformers import SentenceTransformerEmbedder
from retrieval.embedding.signature import Signature
from retrieval.embedding.sparse_encoder import SparseEncoderEmbedder

__all__ = [
    "BACKENDS",
    "DEFAULT_MODEL",
    "HASHING_MODEL",
    "KINDS",
    "Backend",
    "Embedder",
    "Embedding",
    "Embeddings",
    "HashingEmbedder",
    "ImageEmbedder",
    "Kind",
    "MultiVectorEncoderEmbedder",
    "MultiVectorHashingEmbedder",
    "Progress",
    "SentenceTransformerEmbedder",
    "Signature",
    "SparseEncoderEmbedder",
    "SparseHashingEmbedder",
    "create_embedder",
    "modalities_of",
]
