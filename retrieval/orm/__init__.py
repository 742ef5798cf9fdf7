"""The schema for SQLAlchemy: mapped classes, and the searches as selectables."""

from retrieval.orm.embeddings import (
    cache_embeddings_statement,
    cached_embeddings_statement,
    measure_recall_statement,
    put_embeddings_statement,
    sample_embeddings_statement,
    set_query_adapter_statement,
)
from retrieval.orm.functions import call
from retrieval.orm.models import (
    Base,
    CachedEmbedding,
    Chunk,
    ChunkStatistics,
    Collection,
    Document,
    Embedding,
    LexemeStatistics,
    MetadataIndex,
    QueryAdapter,
    Space,
    SparseEmbedding,
    TokenEmbeddings,
)
from retrieval.orm.rankings import collapse_duplicates, diversify, fuse, passages
from retrieval.orm.rerank import max_sim
from retrieval.orm.searches import (
    hybrid_search,
    keyword_search,
    more_like_this,
    recommend,
    recommend_documents,
    semantic_search,
    sparse_search,
)
from retrieval.orm.stored import list_spaces, neighbouring_chunks, written_spaces

__all__ = [
    "Base",
    "CachedEmbedding",
    "Chunk",
    "ChunkStatistics",
    "Collection",
    "Document",
    "Embedding",
    "LexemeStatistics",
    "MetadataIndex",
    "QueryAdapter",
    "Space",
    "SparseEmbedding",
    "TokenEmbeddings",
    "cache_embeddings_statement",
    "cached_embeddings_statement",
    "call",
    "collapse_duplicates",
    "diversify",
    "fuse",
    "hybrid_search",
    "keyword_search",
    "list_spaces",
    "max_sim",
    "measure_recall_statement",
    "more_like_this",
    "neighbouring_chunks",
    "passages",
    "put_embeddings_statement",
    "recommend",
    "recommend_documents",
    "sample_embeddings_statement",
    "semantic_search",
    "set_query_adapter_statement",
    "sparse_search",
    "written_spaces",
]
