"""Filtered semantic search: recall and time for filters that keep from 100 % down to 0.01 %.

    python benchmarks/semantic_search.py                 all package descriptions that apt knows
    python benchmarks/semantic_search.py --embeddings vectors.npz          kept for the next run
    python benchmarks/semantic_search.py --corpus corpus.jsonl --tokens 256

One server, one corpus, one run; every question goes through each system in turn, after a first pass
that warms all of them. Beside ours: what most applications do, one table with a jsonb column and an
HNSW index, with pgvector's default settings and with its iterative scan switched on. The exact
answer comes from NumPy; ours must return as many rows as exist and reach the promised recall, or
nothing is printed but that.

Filters: equality on a key (served by the GIN index on metadata), a range on a declared key
(retrieval.index_metadata), and a range that depends on where in the space a chunk lies, so that it
agrees with some questions and contradicts others.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from corpus import load_texts
from filled import fill
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg.types.json import Jsonb
from questions import QUESTIONS
from servers import new_database, server_url

from retrieval.embedding.loading import load_encoder
from retrieval.embedding.locate import DEFAULT_MODEL

RESULTS = 10
PROMISED_RECALL = 0.99
# cosines that halves cannot tell apart count as equal
TOLERANCE = 2e-4
SHARES = (50, 10, 5, 1, 0.1, 0.01)

Floats = NDArray[np.float32]
Search = Callable[[psycopg.Connection, Floats, dict[str, Any] | None], list[int]]


@dataclass(frozen=True)
class Filter:
    """A metadata filter and the chunks that it keeps."""

    kind: str
    share: float
    condition: dict[str, Any] | None
    keeps: NDArray[np.bool_]


def embed(texts: list[str], tokens: int, path: Path | None) -> tuple[Floats, Floats]:
    """Unit vectors of the texts and of the questions, as halves hold them."""
    if path is None or not path.exists():
        _, model = load_encoder(DEFAULT_MODEL, "dense")
        model.max_seq_length = tokens
        options = {"normalize_embeddings": True, "batch_size": 64}
        chunks = model.encode(texts, show_progress_bar=True, **options)
        questions = model.encode(QUESTIONS, **options)
        if path is not None:
            np.savez(path, chunks=chunks.astype(np.float16), questions=questions)
    else:
        stored = np.load(path)
        chunks, questions = stored["chunks"], stored["questions"]
    if len(chunks) != len(texts):
        raise SystemExit(f"{path} holds {len(chunks)} embeddings, but there are {len(texts)} texts")
    return as_stored(chunks), as_stored(questions)


def as_stored(vectors: Floats) -> Floats:
    halves = vectors.astype(np.float16).astype(np.float32)
    return halves / np.linalg.norm(halves, axis=1, keepdims=True)


def describe(chunks: Floats) -> list[dict[str, int]]:
    """Metadata: a number drawn by chance, what it leaves by division, and a place in the space."""
    generator = np.random.default_rng(1)
    numbers = generator.permutation(len(chunks))
    along = chunks @ generator.normal(size=chunks.shape[1]).astype(np.float32)
    places = np.argsort(np.argsort(along)) * 10_000 // len(chunks)
    return [
        {"number": int(number % 10_000), "place": int(place)}
        | {f"of_{round(100 / share)}": int(number % round(100 / share)) for share in SHARES}
        for number, place in zip(numbers, places, strict=True)
    ]


def filters(metadata: list[dict[str, int]]) -> Iterator[Filter]:
    column = {key: np.array([each[key] for each in metadata]) for key in metadata[0]}
    yield Filter("none", 100, None, np.ones(len(metadata), dtype=bool))
    for share in SHARES:
        key = f"of_{round(100 / share)}"
        yield Filter("equality", share, {key: 1}, column[key] == 1)
    for share in SHARES:
        below = round(100 * share)
        yield Filter("range", share, {"number": {"$lt": below}}, column["number"] < below)
    for share in SHARES:
        least = 10_000 - round(100 * share)
        yield Filter("place", share, {"place": {"$gte": least}}, column["place"] >= least)


def load(
    connection: psycopg.Connection,
    texts: list[str],
    chunks: Floats,
    metadata: list[dict[str, int]],
) -> NDArray[np.int64]:
    """Ours, and a table as most applications have it; the chunks' ids."""
    ids = fill(connection, texts, chunks, metadata)
    connection.execute(
        f"create table plain (id bigint primary key, metadata jsonb, "
        f"embedding halfvec({chunks.shape[1]}))"
    )
    with connection.cursor().copy("copy plain from stdin") as copy:
        for chunk, vector, each in zip(ids, chunks, metadata, strict=True):
            copy.write_row((chunk, Jsonb(each), HalfVector(vector).to_text()))
    for key in ("number", "place"):
        connection.execute("select retrieval.index_metadata('benchmark', %s, 'numeric')", [key])
    connection.execute("select retrieval.tidy_collection('benchmark')")
    connection.execute("create index on plain using hnsw (embedding halfvec_cosine_ops)")
    connection.execute("create index on plain using gin (metadata jsonb_path_ops)")
    connection.execute("vacuum analyze")
    return np.array(ids)


def ours(
    connection: psycopg.Connection, query: Floats, condition: dict[str, Any] | None
) -> list[int]:
    """The public function, with content and all."""
    rows = connection.execute(
        "select chunk_id from retrieval.semantic_search('benchmark', %s::halfvec, %s, %s)",
        [HalfVector(query).to_text(), condition and Jsonb(condition), RESULTS],
    )
    return [row[0] for row in rows]


def jsonpath(condition: dict[str, Any]) -> str:
    """A condition on one key, as a user would write it for `@@`."""
    ((key, operand),) = condition.items()
    if not isinstance(operand, dict):
        return f"$.{key} == {operand}"
    ((operator, value),) = operand.items()
    return f"$.{key} {'<' if operator == '$lt' else '>='} {value}"


def plain(
    connection: psycopg.Connection, query: Floats, condition: dict[str, Any] | None
) -> list[int]:
    """What the documentation of pgvector shows, with a jsonpath, and planned anew each time."""
    where, parameters = "", [HalfVector(query).to_text(), RESULTS]
    if condition is not None:
        where = "where metadata @@ %s::jsonpath "
        parameters.insert(0, jsonpath(condition))
    rows = connection.execute(
        f"select id from plain {where}order by embedding <=> %s::halfvec limit %s",
        parameters,
        prepare=False,
    )
    return [row[0] for row in rows]


def measure(
    connection: psycopg.Connection, search: Search, each: Filter, queries: Floats
) -> tuple[list[list[int]], list[float]]:
    """What each query finds, and the milliseconds of a second pass."""
    found = [search(connection, query, each.condition) for query in queries]
    times = []
    for query in queries:
        started = time.perf_counter()
        search(connection, query, each.condition)
        times.append((time.perf_counter() - started) * 1000)
    return found, times


def recall(
    found: list[list[int]], ids: NDArray[np.int64], cosines: Floats, each: Filter
) -> tuple[float, int]:
    """The share of the ten best that were found, and how often there were fewer than exist."""
    wanted = min(RESULTS, int(each.keeps.sum()))
    right = short = 0
    for rows, row in zip(found, np.where(each.keeps, cosines, -2), strict=True):
        least = np.sort(row)[-wanted] - TOLERANCE if wanted else 2
        right += min(wanted, int((row[np.searchsorted(ids, rows)] >= least).sum()))
        short += len(rows) < wanted
    return right / max(1, wanted * len(found)), short


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, help="a corpus.jsonl of BEIR")
    parser.add_argument("--embeddings", type=Path, help="where embeddings are kept (.npz)")
    parser.add_argument("--tokens", type=int, default=32, help="how much of a text is embedded")
    parser.add_argument("--database-url", help="a server on which a database may be created")
    arguments = parser.parse_args()
    texts = [text.replace("\x00", "") for text in load_texts(arguments.corpus)]
    chunks, questions = embed(texts, arguments.tokens, arguments.embeddings)
    metadata = describe(chunks)
    cosines = questions @ chunks.T
    with (
        server_url(arguments.database_url) as url,
        new_database(url, "semantic_search_benchmark") as connection,
    ):
        ids = load(connection, texts, chunks, metadata)
        compare(connection, ids, questions, cosines, list(filters(metadata)))


def compare(
    connection: psycopg.Connection,
    ids: NDArray[np.int64],
    questions: Floats,
    cosines: Floats,
    conditions: list[Filter],
) -> None:
    systems: list[tuple[str, Search, str]] = [
        ("ours", ours, "off"),
        ("pgvector, default", plain, "off"),
        ("pgvector, iterative", plain, "strict_order"),
    ]
    lines, broken = [], []
    unfiltered: dict[str, float] = {}
    for each in conditions:
        for name, search, iterative in systems:
            connection.execute("select set_config('hnsw.iterative_scan', %s, false)", [iterative])
            found, times = measure(connection, search, each, questions)
            share, short = recall(found, ids, cosines, each)
            p50, p95 = np.percentile(times, [50, 95])
            unfiltered.setdefault(name, p95)
            lines.append(
                f"| {each.kind} | {each.share} % | {name} | {share:.3f} | {short} | {p50:.1f} | "
                f"{p95:.1f} | {p95 / unfiltered[name]:.1f} |"
            )
            if name == "ours" and (short or share < PROMISED_RECALL):
                broken.append(lines[-1])
    if broken:
        raise SystemExit("ours broke its promise:\n" + "\n".join(broken))
    print(f"{len(ids)} chunks, {len(questions)} questions")
    print("| filter | keeps | system | recall@10 | short | p50 ms | p95 ms | p95 / unfiltered |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
