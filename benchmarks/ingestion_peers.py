"""Loads texts and vectors into one of the systems that benchmarks/ingestion.py compares with.

    python benchmarks/ingestion_peers.py SYSTEM URL vectors.npz

SYSTEM is langchain, llamaindex, haystack (a PostgreSQL at URL), lancedb or lancedb_hnsw (a new
folder at URL); the archive holds `texts`, as the bytes of a JSON array, and `vectors`. It runs in a
process of its own because these packages pin versions of pgvector's client that exclude each other;
nothing of this project is imported. Prints one JSON object: seconds from the first row to the last
index, and how many of ten texts were found again by their own vector and by their own words.
"""

import json
import sys
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

BATCH = 500
HNSW = {"m": 16, "ef_construction": 64}  # pgvector's own defaults
SAMPLES = 10

Search = Callable[[Any, str], list[str]]
# loads and indexes; what it returns finds texts by a vector, and by words
Loader = Callable[[str, list[str], Any], tuple[Search, Search]]


def langchain(url: str, texts: list[str], vectors: Any) -> tuple[Search, Search]:
    from langchain_core.embeddings import FakeEmbeddings
    from langchain_postgres import PGEngine, PGVectorStore
    from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig
    from langchain_postgres.v2.indexes import HNSWIndex

    engine = PGEngine.from_connection_string(url.replace("postgresql://", "postgresql+psycopg://"))
    config = HybridSearchConfig(tsv_column="content_tsv", tsv_lang="pg_catalog.english")
    engine.init_vectorstore_table("texts", vectors.shape[1], hybrid_search_config=config)
    store = PGVectorStore.create_sync(
        engine, FakeEmbeddings(size=vectors.shape[1]), "texts", hybrid_search_config=config
    )
    for start in range(0, len(texts), BATCH):
        part = texts[start : start + BATCH]
        store.add_embeddings(
            part,
            vectors[start : start + BATCH].tolist(),
            metadatas=[{} for _ in part],
            ids=[str(uuid.uuid4()) for _ in part],
        )
    store.apply_vector_index(HNSWIndex(**HNSW))
    store.apply_hybrid_search_index()
    return (
        lambda vector, text: [
            each.page_content for each in store.similarity_search_by_vector(vector.tolist(), k=3)
        ],
        _sql_words(url, "select content from texts where content_tsv @@ {query} limit 1000"),
    )


def llamaindex(url: str, texts: list[str], vectors: Any) -> tuple[Search, Search]:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
    from llama_index.vector_stores.postgres import PGVectorStore

    store = PGVectorStore.from_params(
        connection_string=url.replace("postgresql://", "postgresql+psycopg2://"),
        async_connection_string=url.replace("postgresql://", "postgresql+asyncpg://"),
        table_name="texts",
        embed_dim=vectors.shape[1],
        hybrid_search=True,
        text_search_config="english",
        hnsw_kwargs={
            "hnsw_m": HNSW["m"],
            "hnsw_ef_construction": HNSW["ef_construction"],
            "hnsw_ef_search": 40,
            "hnsw_dist_method": "vector_cosine_ops",
        },
    )
    for start in range(0, len(texts), BATCH):
        stop = min(start + BATCH, len(texts))
        store.add(
            [
                TextNode(id_=str(row), text=texts[row], embedding=vectors[row].tolist())
                for row in range(start, stop)
            ]
        )

    def search(mode: Any, **query: Any) -> list[str]:
        found = store.query(VectorStoreQuery(mode=mode, **query))
        return [each.get_content() for each in found.nodes or ()]

    return (
        lambda vector, text: search(
            VectorStoreQueryMode.DEFAULT, query_embedding=vector.tolist(), similarity_top_k=3
        ),
        _sql_words(url, "select text from data_texts where text_search_tsv @@ {query} limit 1000"),
    )


def haystack(url: str, texts: list[str], vectors: Any) -> tuple[Search, Search]:
    from haystack import Document
    from haystack.document_stores.types import DuplicatePolicy
    from haystack.utils import Secret
    from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

    store = PgvectorDocumentStore(
        connection_string=Secret.from_token(url),
        table_name="texts",
        embedding_dimension=vectors.shape[1],
        search_strategy="hnsw",
        hnsw_index_creation_kwargs=HNSW,
    )
    for start in range(0, len(texts), BATCH):
        stop = min(start + BATCH, len(texts))
        documents = [
            Document(id=str(row), content=texts[row], embedding=vectors[row].tolist())
            for row in range(start, stop)
        ]
        store.write_documents(documents, policy=DuplicatePolicy.OVERWRITE)
    retriever = PgvectorEmbeddingRetriever(document_store=store, top_k=3)
    return (
        lambda vector, text: [
            each.content or ""
            for each in retriever.run(query_embedding=vector.tolist())["documents"]
        ],
        _sql_words(
            url,
            "select content from texts where to_tsvector('english', content) @@ {query} limit 1000",
        ),
    )


def _lancedb(index: str) -> Loader:
    def load(folder: str, texts: list[str], vectors: Any) -> tuple[Search, Search]:
        import lancedb
        import pyarrow
        from lancedb.index import FTS, HnswSq, IvfPq

        vector = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(vectors.reshape(-1)), vectors.shape[1]
        )
        rows = pyarrow.table({"id": range(len(texts)), "text": texts, "vector": vector})
        table = lancedb.connect(folder).create_table("texts", rows)
        table.create_index("text", config=FTS())
        kind = {"ivf_pq": IvfPq, "hnsw": HnswSq}[index]
        table.create_index("vector", config=kind(distance_type="cosine"))

        def by_vector(vector: Any, text: str) -> list[str]:
            found = table.search(vector).distance_type("cosine").limit(3).to_list()
            return [row["text"] for row in found]

        def by_words(vector: Any, text: str) -> list[str]:
            return [row["text"] for row in table.search(text, query_type="fts").limit(3).to_list()]

        return by_vector, by_words

    return load


def _sql_words(url: str, statement: str) -> Search:
    """Finds by all words of a text, through the index that the system has made."""
    import psycopg

    connection = psycopg.connect(url, autocommit=True)
    query = "plainto_tsquery('english', %s)"

    def search(vector: Any, text: str) -> list[str]:
        rows = connection.execute(statement.format(query=query), [text]).fetchall()
        return [row[0] for row in rows]

    return search


LOADERS: dict[str, Loader] = {
    "langchain": langchain,
    "llamaindex": llamaindex,
    "haystack": haystack,
    "lancedb": _lancedb("ivf_pq"),
    "lancedb_hnsw": _lancedb("hnsw"),
}


# imported before the clock starts
MODULES = {
    "langchain": ["langchain_postgres.v2.indexes", "langchain_core.embeddings"],
    "llamaindex": ["llama_index.vector_stores.postgres", "llama_index.core.schema"],
    "haystack": ["haystack_integrations.components.retrievers.pgvector"],
    "lancedb": ["lancedb.index", "pyarrow"],
    "lancedb_hnsw": ["lancedb.index", "pyarrow"],
}


def main(system: str, url: str, archive: str) -> None:
    with np.load(archive) as arrays:
        texts: list[str] = json.loads(arrays["texts"].tobytes())
        vectors = arrays["vectors"]
    for module in MODULES[system]:
        import_module(module)
    started = time.perf_counter()
    by_vector, by_words = LOADERS[system](url, texts, vectors)
    seconds = time.perf_counter() - started
    sample = range(0, len(texts), len(texts) // SAMPLES)[:SAMPLES]
    found = {
        "seconds": seconds,
        "by_vector": sum(texts[row] in by_vector(vectors[row], texts[row]) for row in sample),
        "by_words": sum(texts[row] in by_words(vectors[row], texts[row]) for row in sample),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
