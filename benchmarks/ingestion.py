"""Ingestion: with vectors that exist already beside other stores, and beside the bare model.

    python benchmarks/ingestion.py --embeddings vectors.npz --peers peers/bin/python

Three parts, chosen by --parts:

given   Documents with their vectors, from the first row to the last index, on one server: 20,000
        and all of the package descriptions that apt knows. The others run in an interpreter of
        their own, because they pin packages that exclude each other:
            python -m venv peers
            peers/bin/pip install langchain-postgres llama-index-vector-stores-postgres \\
                pgvector-haystack lancedb
        One that is missing there is left out with a word. Their HNSW is built with pgvector's
        ef_construction of 64, ours with its own default of 128 and with theirs. Ours runs before
        and after the others; ratios are to its mean.
model   Documents without vectors, beside a bare `model.encode` of the same chunks, longest first,
        in turn; ours reads, cuts, embeds, stores and indexes.
memory  How much larger a process is that ingests a gigabyte of JSON lines, with the hashing model,
        than one that ingests a sentence (on Linux).

Before a time is printed every text of a sample must be found by its own vector and words.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psycopg
from corpus import grown, load_texts
from numpy.typing import NDArray
from semantic_search import embed
from servers import new_database, server_url

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.database import migration_sql
from retrieval.embedding import create_embedder
from retrieval.embedding.loading import load_encoder
from retrieval.embedding.locate import DEFAULT_MODEL

PEERS = {
    "langchain": "langchain-postgres",
    "llamaindex": "LlamaIndex",
    "haystack": "Haystack",
    "lancedb": "LanceDB, IVF-PQ (its default)",
    "lancedb_hnsw": "LanceDB, HNSW",
}
SAMPLES = 10
MEGABYTE = 1024 * 1024

Floats = NDArray[np.float32]


def retriever(url: str, database: str, embedder: Any = None) -> Retriever:
    return Retriever.open(_url(url, database), embedder=embedder)


def _url(url: str, database: str) -> str:
    """The server's URL with another database."""
    before, question, parameters = url.partition("?")
    return f"{before.rpartition('/')[0]}/{database}{question}{parameters}"


# With vectors that exist already


# Where index_options are empty, HNSW is built with twice pgvector's ef_construction.
OURS = {
    "ours": ("hnsw", "{}"),
    "ours, HNSW built as theirs": ("hnsw", '{"ef_construction": 64}'),
    "ours, IVFFlat": ("ivfflat", "{}"),
}


def ours(url: str, texts: list[str], vectors: Floats, index_method: str, options: str) -> float:
    """Seconds from the first row to the last index."""
    with new_database(url, "ours") as connection:
        connection.execute(migration_sql())
        with retriever(url, "ours", HashingEmbedder(vectors.shape[1])) as opened:
            opened.create_collection("texts")
            connection.execute(
                "update retrieval.spaces set index_method = %s, index_options = %s",
                [index_method, options],
            )
            started = time.perf_counter()
            report = opened.ingest(
                "texts",
                (
                    Document(str(row), text, embedding=vector)
                    for row, (text, vector) in enumerate(zip(texts, vectors, strict=True))
                ),
            )
            seconds = time.perf_counter() - started
            if report.added != len(texts):
                raise SystemExit(f"only {report.added} of {len(texts)} were stored")
        check(connection, texts, vectors)
    return seconds


def check(connection: psycopg.Connection, texts: list[str], vectors: Floats) -> None:
    """Every text of a sample must be found by its vector and words, through indexes."""
    indexed = connection.execute("select indexed from retrieval.list_spaces('texts')").fetchone()
    if indexed != (True,):
        raise SystemExit("the space has no index")
    for row in range(0, len(texts), len(texts) // SAMPLES):
        for search, query in (
            ("semantic_search('texts', %s::halfvec", str(vectors[row].tolist())),
            # without what would be operators: quotes, a hyphen before a word, or
            ("keyword_search('texts', %s", " ".join(re.findall(r"\w{4,}", texts[row]))),
        ):
            found = connection.execute(
                f"select content from retrieval.{search}, max_results => 3)", [query]
            ).fetchall()
            if (texts[row],) not in found:
                raise SystemExit(f"{search} does not find {texts[row]!r}")


def peer(python: Path, system: str, url: str, texts: list[str], vectors: Floats) -> float | None:
    """Seconds of another system, or None where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "texts.npz")
        np.savez(
            archive, texts=np.frombuffer(json.dumps(texts).encode(), np.uint8), vectors=vectors
        )
        if system.startswith("lancedb"):
            return _peer(python, system, str(Path(folder, "lance")), archive)
        with new_database(url, "peer") as connection:
            connection.execute("create extension vector")
            return _peer(python, system, _url(url, "peer"), archive)


def _peer(python: Path, system: str, url: str, archive: Path) -> float | None:
    script = Path(__file__).with_name("ingestion_peers.py")
    ran = subprocess.run([python, script, system, url, archive], capture_output=True, text=True)
    if "ModuleNotFoundError" in ran.stderr:
        return None
    if ran.returncode:
        raise SystemExit(f"{system} failed:\n{ran.stderr}")
    found = json.loads(ran.stdout.splitlines()[-1])
    for search in ("by_vector", "by_words"):
        if found[search] < SAMPLES * 0.8:
            raise SystemExit(f"{system} found {found[search]} of {SAMPLES} texts {search}")
    return float(found["seconds"])


def given(
    url: str,
    texts: list[str],
    vectors: Floats,
    python: Path | None,
    systems: list[str],
    counts: list[int] | None,
) -> None:
    print("| documents | system | seconds | times ours |")
    print("|---|---|---|---|")
    for count in counts or (20_000, len(texts)):
        some, some_vectors = texts[:count], vectors[:count]
        times: dict[str, list[float]] = {name: [] for name in (*OURS, *PEERS.values())}
        for turn in range(2):
            for name, (method, options) in OURS.items():
                times[name].append(ours(url, some, some_vectors, method, options))
            for system in systems if python and turn == 0 else ():
                seconds = peer(python, system, url, some, some_vectors) if python else None
                if seconds is None:
                    print(f"{PEERS[system]} is not installed for {python}")
                else:
                    times[PEERS[system]].append(seconds)
        mean = float(np.mean(times["ours"]))
        for name, all_seconds in times.items():
            if all_seconds:
                seconds = float(np.mean(all_seconds))
                print(f"| {count:,} | {name} | {seconds:.1f} | {seconds / mean:.2f} |", flush=True)


# With a model


def model(url: str, texts: list[str], rounds: int) -> None:
    embedder = create_embedder(None)
    embedder.embed_documents(texts[:64])
    _, bare = load_encoder(DEFAULT_MODEL, "dense")
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(rounds):
        with new_database(url, "ours") as connection:
            connection.execute(migration_sql())
            with retriever(url, "ours", embedder) as opened:
                opened.create_collection("texts")
                started = time.perf_counter()
                opened.ingest("texts", [Document(str(row), text) for row, text in enumerate(texts)])
                seconds = time.perf_counter() - started
            rows = connection.execute(
                "select concat_ws(E'\\n', c.title, nullif(c.context, ''), c.content),"
                " e.embedding::text from retrieval.chunks c"
                " join retrieval.embeddings e using (chunk_id)"
            ).fetchall()
        rates["ours"].append(len(rows) / seconds)
        chunks = sorted((row[0] for row in rows), key=len, reverse=True)
        stored = dict(rows)
        started = time.perf_counter()
        encoded = bare.encode(chunks, batch_size=32, normalize_embeddings=True)
        rates["bare"].append(len(rows) / (time.perf_counter() - started))
        for chunk, vector in zip(chunks[::97], encoded[::97], strict=True):
            if np.dot(np.array(json.loads(stored[chunk])), vector) < 0.999:
                raise SystemExit(f"another embedding is stored for {chunk!r}")
        share = rates["ours"][-1] / rates["bare"][-1]
        print(
            f"round {number + 1}: {len(rows)} chunks, ours {rates['ours'][-1]:.1f}/s, "
            f"bare {rates['bare'][-1]:.1f}/s, share {share:.3f}",
            flush=True,
        )
    shares = [mine / other for mine, other in zip(rates["ours"], rates["bare"], strict=True)]
    print(f"share of the bare model's throughput: median {median(shares):.3f}")


# Memory


def memory(url: str, texts: list[str], gigabytes: float) -> None:
    with tempfile.TemporaryDirectory() as folder, new_database(url, "ours") as connection:
        connection.execute(migration_sql())
        file = Path(folder, "corpus.jsonl")
        with file.open("w") as lines:
            size = 0
            for number, text in enumerate(_for_ever(texts)):
                size += lines.write(json.dumps({"_id": str(number), "text": text}) + "\n")
                if size > gigabytes * 1024 * MEGABYTE:
                    break
        few = Path(folder, "few.jsonl")
        few.write_text(json.dumps({"_id": "first", "text": "Loads what is loaded once."}))
        least, _ = _ingest(_url(url, "ours"), few)
        connection.execute("drop index retrieval.embeddings_1_index")
        connection.execute("update retrieval.spaces set index_method = 'none'")
        started = time.perf_counter()
        most, report = _ingest(_url(url, "ours"), file)
        seconds = time.perf_counter() - started
        print(
            f"{file.stat().st_size / MEGABYTE:.0f} MiB in {report['added']} documents, "
            f"{report['chunks']} chunks, {len(report['failures'])} failures: {seconds:.0f} s; the "
            f"process had {most:.0f} MiB at most, {most - least:.0f} more than for one sentence"
        )


def _ingest(url: str, file: Path) -> tuple[float, dict[str, Any]]:
    """The largest size in MiB of a process that ingests a file, and its report."""
    command = [Path(sys.executable).with_name("retrieval"), "ingest", "texts", file, "--json"]
    environment = {**os.environ, "RETRIEVAL_DATABASE_URL": url, "RETRIEVAL_MODEL": "hashing"}
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            command, env=environment, stdout=printed, stderr=subprocess.DEVNULL
        )
        largest = 0
        # not from getrusage, which counts what this process had when it forked
        while process.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            largest = int(found[1]) if found else largest
            time.sleep(0.1)
        if process.returncode:
            raise SystemExit(f"{file} was not ingested")
        printed.seek(0)
        return largest / 1024, json.load(printed)


def _for_ever(texts: list[str]) -> Iterator[str]:
    seed = 0
    while True:
        seed += 1
        composed = grown(texts, 2 * len(texts), seed)[len(texts) :]
        yield from ("\n".join(composed[row : row + 20]) for row in range(0, len(composed), 20))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, help="corpus.jsonl of a BEIR collection")
    parser.add_argument("--embeddings", type=Path, help="where vectors are kept between runs")
    parser.add_argument("--tokens", type=int, default=32, help="that the model reads of a text")
    parser.add_argument("--peers", type=Path, help="Python that has the other systems")
    parser.add_argument("--systems", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--url", help="a server; without it a private one")
    parser.add_argument("--parts", nargs="+", default=["given", "model", "memory"])
    parser.add_argument("--documents", type=int, nargs="*", help="how many, of the part given")
    parser.add_argument("--chunks", type=int, default=2_000, help="texts of the part model")
    parser.add_argument("--rounds", type=int, default=3, help="of the part model")
    parser.add_argument("--gigabytes", type=float, default=1, help="of the part memory")
    arguments = parser.parse_args()
    os.environ["RETRIEVAL_CALIBRATE"] = "false"  # not part of loading; the others have none
    texts = [text.replace("\0", "") for text in load_texts(arguments.corpus)]
    with server_url(arguments.url) as url:
        parts: dict[str, Callable[[], None]] = {
            "given": lambda: given(
                url,
                texts,
                embed(texts, arguments.tokens, arguments.embeddings)[0],
                arguments.peers,
                arguments.systems,
                arguments.documents,
            ),
            "model": lambda: model(url, grown(texts, arguments.chunks), arguments.rounds),
            "memory": lambda: memory(url, texts, arguments.gigabytes),
        }
        for part in arguments.parts:
            parts[part]()


if __name__ == "__main__":
    main()
