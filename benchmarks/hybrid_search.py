"""Hybrid search: what it takes beside its legs run alone and, where installed, beside LanceDB.

    python benchmarks/hybrid_search.py                  all package descriptions that apt knows
    python benchmarks/hybrid_search.py --embeddings vectors.npz            kept for the next run

One server, one corpus, one run: every question goes through each system in turn, after a pass that
warms all of them. The legs alone are keyword_search and semantic_search for the 100 candidates that
each contributes to a hybrid search, without their content. Before any time is printed the scores of
every hybrid search must be those that `retrieval.fuse` makes of the two. With LanceDB installed
(`pip install lancedb`) its hybrid search (full-text index, vector index with its defaults,
reciprocal rank fusion) answers the same questions over the same texts and vectors; the share of the
true ten nearest that its vector search and ours find is printed, too, since a search can be fast by
finding less; "refined" is LanceDB set to look further (nprobes 60, refine_factor 20).
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from corpus import load_texts
from filled import fill
from numpy.typing import NDArray
from pgvector import HalfVector
from questions import QUESTIONS
from semantic_search import embed
from servers import new_database, server_url

try:
    import lancedb
    from lancedb.index import FTS, IvfPq
except ImportError:
    lancedb = None

CANDIDATES = 100
RESULTS = 10
PASSES = 3

Floats = NDArray[np.float32]
Search = Callable[[str, Floats], list[int]]


class Ours:
    """The SQL functions over one connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def keyword(self, question: str, vector: Floats, results: int = CANDIDATES) -> list[Any]:
        statement = (
            "select chunk_id, score from retrieval.keyword_search('benchmark', %s, null, %s)"
        )
        return self.connection.execute(statement, [question, results]).fetchall()

    def semantic(self, question: str, vector: Floats, results: int = CANDIDATES) -> list[Any]:
        return self.connection.execute(
            "select chunk_id, score from retrieval.semantic_search("
            "'benchmark', %s::halfvec, null, %s)",
            [HalfVector(vector).to_text(), results],
        ).fetchall()

    def hybrid(self, question: str, vector: Floats, fusion: str = "relative") -> list[Any]:
        return self.connection.execute(
            "select chunk_id, score, content from retrieval.hybrid_search("
            "'benchmark', %s, %s::halfvec, fusion => %s, max_results => %s)",
            [question, HalfVector(vector).to_text(), fusion, RESULTS],
        ).fetchall()

    def check(self, vectors: Floats) -> None:
        """The scores must be those of `fuse` over the legs run alone."""
        for question, vector in zip(QUESTIONS, vectors, strict=True):
            found = [("keyword", *hit) for hit in self.keyword(question, vector)]
            found += [("semantic", *hit) for hit in self.semantic(question, vector)]
            legs, ids, scores = (list(column) for column in zip(*found, strict=True))
            for fusion in ("rrf", "relative", "dbsf"):
                fused = self.connection.execute(
                    "select id, score from retrieval.fuse(%s, %s::bigint[], %s, %s, %s) limit %s",
                    [legs, ids, scores, fusion, '{"semantic": 0.7}', RESULTS],
                ).fetchall()
                hits = [tuple(hit[:2]) for hit in self.hybrid(question, vector, fusion)]
                if hits != fused:
                    raise SystemExit(f"{fusion} of {question!r} is not the fusion of its legs")


class Lance:
    """LanceDB over the same texts and vectors."""

    def __init__(self, folder: str, texts: list[str], vectors: Floats, ids: list[int]) -> None:
        import pyarrow

        vector = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(vectors.reshape(-1)), vectors.shape[1]
        )
        rows = pyarrow.table({"id": ids, "text": texts, "vector": vector})
        self.table = lancedb.connect(folder).create_table("texts", rows)
        self.table.create_index("text", config=FTS())
        self.table.create_index("vector", config=IvfPq(distance_type="cosine"))
        self.reranker = lancedb.rerankers.RRFReranker()

    def keyword(self, question: str, vector: Floats) -> list[int]:
        found = self.table.search(question, query_type="fts").limit(RESULTS)
        return [row["id"] for row in found.to_list()]

    def semantic(self, question: str, vector: Floats, refined: bool = False) -> list[int]:
        found = self.table.search(vector).distance_type("cosine").limit(RESULTS)
        return [row["id"] for row in (refine(found) if refined else found).to_list()]

    def hybrid(self, question: str, vector: Floats, refined: bool = False) -> list[int]:
        found = self.table.search(query_type="hybrid").vector(vector).text(question)
        found = found.distance_type("cosine").rerank(self.reranker).limit(RESULTS)
        return [row["id"] for row in (refine(found) if refined else found).to_list()]


def refine(query: Any) -> Any:
    """More of the index, and the true distances of what it proposes."""
    return query.nprobes(60).refine_factor(20)


def systems(ours: Ours, lance: Lance | None) -> Iterator[tuple[str, Callable[..., Any]]]:
    yield "keyword leg", ours.keyword
    yield "semantic leg", ours.semantic
    yield "hybrid", ours.hybrid
    if lance is not None:
        yield "LanceDB keyword", lance.keyword
        yield "LanceDB vector", lance.semantic
        yield "LanceDB hybrid", lance.hybrid
        yield "LanceDB hybrid, refined", partial(lance.hybrid, refined=True)


def measure(measured: dict[str, Callable[..., Any]], vectors: Floats) -> dict[str, Floats]:
    """Milliseconds of each question, the median of its passes."""
    times: dict[str, list[list[float]]] = {name: [] for name in measured}
    for number in range(1 + PASSES):
        for name in times:
            times[name].append([])
        for question, vector in zip(QUESTIONS, vectors, strict=True):
            for name, search in measured.items():
                started = time.perf_counter()
                search(question, vector)
                times[name][number].append((time.perf_counter() - started) * 1000)
    return {name: np.median(passes[1:], axis=0) for name, passes in times.items()}


def recall(search: Search, vectors: Floats, cosines: Floats, ids: NDArray[np.int64]) -> float:
    """The share of the ten nearest that are found; as near as the tenth is near enough."""
    right = 0
    for question, vector, row in zip(QUESTIONS, vectors, cosines, strict=True):
        least = np.sort(row)[-RESULTS] - 1e-3
        found = np.searchsorted(ids, search(question, vector)[:RESULTS])
        right += min(RESULTS, int((row[found] >= least).sum()))
    return right / (RESULTS * len(vectors))


def report(times: dict[str, Floats], chunks: int) -> None:
    legs = times["keyword leg"] + times["semantic leg"]
    print(f"{chunks:,} chunks, {len(QUESTIONS)} questions, median of {PASSES} passes each\n")
    print("| system | p50 ms | p95 ms | p50 / hybrid | p95 / hybrid |\n|---|---|---|---|---|")
    hybrid = np.percentile(times["hybrid"], [50, 95])
    for name, each in {**times, "sum of the legs": legs}.items():
        p50, p95 = np.percentile(each, [50, 95])
        print(f"| {name} | {p50:.1f} | {p95:.1f} | {p50 / hybrid[0]:.2f} | {p95 / hybrid[1]:.2f} |")
    ratio = np.percentile(times["hybrid"] / legs, [50, 95])
    print(
        f"\nhybrid / sum of its legs, question by question: p50 {ratio[0]:.2f}, p95 {ratio[1]:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, help="a corpus.jsonl of BEIR")
    parser.add_argument("--embeddings", type=Path, help="where embeddings are kept (.npz)")
    parser.add_argument("--tokens", type=int, default=32, help="how much of a text is embedded")
    parser.add_argument("--database-url", help="a server on which a database may be created")
    given = parser.parse_args()
    texts = [text.replace("\x00", "") for text in load_texts(given.corpus)]
    chunks, questions = embed(texts, given.tokens, given.embeddings)
    with (
        server_url(given.database_url) as url,
        new_database(url, "hybrid_search_benchmark") as connection,
        tempfile.TemporaryDirectory() as folder,
    ):
        ids = fill(connection, texts, chunks, [{}] * len(texts))
        connection.execute("select retrieval.tidy_collection('benchmark')")
        connection.execute("vacuum analyze")
        ours = Ours(connection)
        ours.check(questions)
        lance = Lance(folder, texts, chunks, ids) if lancedb else None
        times = measure(dict(systems(ours, lance)), questions)
        report(times, len(ids))
        cosines = questions @ chunks.T
        places = np.array(ids)
        nearest: dict[str, Search] = {
            "ours": lambda question, vector: [
                row[0] for row in ours.semantic(question, vector, RESULTS)
            ]
        }
        if lance:
            nearest["LanceDB"] = lance.semantic
            nearest["LanceDB, refined"] = partial(lance.semantic, refined=True)
        for name, search in nearest.items():
            share = recall(search, questions, cosines, places)
            print(f"recall@10 of the vectors, {name}: {share:.3f}")
        if not lance:
            print("LanceDB is not installed: pip install lancedb")


if __name__ == "__main__":
    main()
