"""Collections of vectors, and what numpy says of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb
from statements import Session, put, value, vector

METRICS = ["cosine", "inner_product", "l2", "l1"]
PUT = {
    "dense": "select retrieval.put_embeddings('c', %s, %s, %s::halfvec[])",
    "sparse": "select retrieval.put_sparse_embeddings('c', %s, %s, %s::sparsevec[])",
    # one vector per chunk, as if each were a single token
    "multivector": "select retrieval.put_token_embeddings('c', %s, %s, %s, %s::halfvec[])",
}


def halves(vectors: np.ndarray) -> np.ndarray:
    """As pgvector stores them."""
    return vectors.astype(np.float16).astype(np.float64)


def sparse(values: Iterable[float]) -> str:
    """A sparse vector as pgvector reads it."""
    numbers = list(values)
    elements = ",".join(f"{n}:{number}" for n, number in enumerate(numbers, 1) if number)
    return f"{{{elements}}}/{len(numbers)}"


def scores(metric: str, vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The score of every vector."""
    match metric:
        case "cosine":
            return vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
        case "inner_product":
            return vectors @ query
        case "l2":
            return -np.linalg.norm(vectors - query, axis=1)
    return -np.abs(vectors - query).sum(axis=1)


def put_chunks(session: Session, count: int) -> list[int]:
    """The collection c of so many chunks, numbered in their metadata."""
    session.execute("select retrieval.create_collection('c')")
    rows = put(
        session,
        "c",
        *({"document_key": f"{n:05}", "content": "x", "metadata": {"n": n}} for n in range(count)),
    )
    return [row.chunk_id for row in rows]


def create_space(session: Session, name: str, dimensions: int, **arguments: Any) -> int:
    """A space of the collection c."""
    named = "".join(f", {key} => %({key})s" for key in arguments)
    arguments = {k: Jsonb(v) if isinstance(v, dict) else v for k, v in arguments.items()}
    statement = f"select retrieval.create_space('c', %(name)s, 'model', %(dimensions)s{named})"
    return value(session, statement, {"name": name, "dimensions": dimensions, **arguments})


def embed(
    session: Session,
    space: str,
    chunks: Sequence[int],
    vectors: Iterable[Iterable[float]],
    kind: str = "dense",
) -> None:
    """Store a vector for each chunk."""
    literals = [sparse(row) if kind == "sparse" else vector(row) for row in vectors]
    counts = [[1] * len(literals)] if kind == "multivector" else []
    session.execute(PUT[kind], [space, list(chunks), *counts, literals])


def fill(session: Session, vectors: np.ndarray, **arguments: Any) -> list[int]:
    """The collection c, one chunk per vector, with the active space s."""
    chunks = put_chunks(session, len(vectors))
    create_space(session, "s", vectors.shape[1], **arguments)
    embed(session, "s", chunks, vectors.tolist(), arguments.get("kind", "dense"))
    kind = arguments.get("kind", "dense")
    session.execute("select retrieval.build_index('c', 's', %s)", [kind])
    session.execute("select retrieval.activate_space('c', 's')")
    return chunks
