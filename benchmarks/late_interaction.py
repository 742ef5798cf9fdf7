"""Late interaction over stored vectors of tokens: in SQL, and with torch in the service.

    python benchmarks/late_interaction.py

A chunk has 128 tokens and a query 32, of 128 dimensions, as ColBERT makes them. For 100 candidates
(--candidates) the SQL form is max_sim over the stored vectors; the torch form fetches them with
packed_tokens and scores them with retrieval.reranking.max_sim_scores. Before any time is printed
both must have the order that NumPy finds from the same halves, and its scores. The vectors are
drawn by chance: what they say changes no time.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from servers import new_database, server_url

from retrieval.database import migration_sql
from retrieval.reranking import max_sim_scores
from retrieval.reranking.late_interaction import unpacked_tokens

TOKENS, QUERY_TOKENS, DIMENSIONS = 128, 32, 128
QUERIES = 20

Floats = NDArray[np.float32]
Ranking = list[tuple[int, float]]


def unit_vectors(generator: np.random.Generator, *shape: int) -> Floats:
    vectors = generator.normal(size=(*shape, DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def literal(vectors: Floats) -> list[str]:
    return [HalfVector(each).to_text() for each in vectors]


def fill(connection: psycopg.Connection, documents: Floats) -> list[int]:
    connection.execute(migration_sql())
    connection.execute("select retrieval.create_collection('benchmark')")
    rows = connection.execute(
        "select chunk_id from retrieval.put_documents('benchmark', (select jsonb_agg("
        "jsonb_build_object('document_key', n::text, 'content', 'x')) "
        "from generate_series(1, %s) n)) order by chunk_id",
        [len(documents)],
    )
    chunks = [row[0] for row in rows]
    connection.execute(
        "select retrieval.create_space('benchmark', 'tokens', 'model', %s, kind => 'multivector')",
        [DIMENSIONS],
    )
    for chunk, document in zip(chunks, documents, strict=True):
        connection.execute(
            "select retrieval.put_token_embeddings('benchmark', 'tokens', %s, %s, %s::halfvec[])",
            [[chunk], [TOKENS], literal(document)],
        )
    connection.execute("select retrieval.activate_space('benchmark', 'tokens')")
    connection.execute("vacuum analyze")
    return chunks


def in_sql(connection: psycopg.Connection, query: Floats, chunks: list[int]) -> Ranking:
    return connection.execute(
        "select t.chunk_id, retrieval.max_sim(%s::halfvec[], t.embeddings) as score "
        "from retrieval.token_embeddings t where t.space_id = 1 and t.chunk_id = any (%s) "
        "order by score desc, t.chunk_id",
        [literal(query), chunks],
    ).fetchall()


def in_torch(connection: psycopg.Connection, query: Floats, chunks: list[int]) -> Ranking:
    rows = connection.execute(
        "select * from retrieval.packed_tokens('benchmark', %s)", [chunks], binary=True
    ).fetchall()
    scores = max_sim_scores(query, [unpacked_tokens(row[2], row[1]) for row in rows])
    order = np.argsort(-scores, kind="stable")
    return [(rows[place][0], float(scores[place])) for place in order]


def in_numpy(documents: Floats, query: Floats, chunks: list[int]) -> Ranking:
    scores = np.einsum("qd,ntd->nqt", query, documents).max(axis=2).sum(axis=1)
    return [(chunks[place], float(scores[place])) for place in np.argsort(-scores, kind="stable")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--database-url", help="a server on which a database may be created")
    given = parser.parse_args()
    generator = np.random.default_rng(1)
    documents = unit_vectors(generator, given.candidates, TOKENS)
    queries = unit_vectors(generator, QUERIES, QUERY_TOKENS)
    with (
        server_url(given.database_url) as url,
        new_database(url, "late_interaction_benchmark") as connection,
    ):
        chunks = fill(connection, documents)
        systems: dict[str, Callable[[Floats], Ranking]] = {
            "SQL": lambda query: in_sql(connection, query, chunks),
            "torch": lambda query: in_torch(connection, query, chunks),
        }
        for query in queries:
            expected = in_numpy(documents, query, chunks)
            for name, system in systems.items():
                found = system(query)
                if [chunk for chunk, _ in found] != [chunk for chunk, _ in expected]:
                    raise SystemExit(f"{name} has another order than NumPy")
                if not np.allclose([s for _, s in found], [s for _, s in expected], atol=1e-3):
                    raise SystemExit(f"{name} has other scores than NumPy")
        times: dict[str, list[float]] = {name: [] for name in systems}
        for query in queries:
            for name, system in systems.items():
                started = time.perf_counter()
                system(query)
                times[name].append((time.perf_counter() - started) * 1000)
    p50 = {name: np.percentile(each, 50) for name, each in times.items()}
    print(f"{given.candidates} candidates of {TOKENS} tokens, query of {QUERY_TOKENS}")
    print("| form | p50 ms | p95 ms | p50 / SQL |\n|---|---|---|---|")
    for name, each in times.items():
        p95 = np.percentile(each, 95)
        print(f"| {name} | {p50[name]:.1f} | {p95:.1f} | {p50[name] / p50['SQL']:.2f} |")


if __name__ == "__main__":
    main()
