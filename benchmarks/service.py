"""The service under load: what HTTP adds to the SQL call, what it bears, and what it does beyond.

    python benchmarks/service.py                        all package descriptions that apt knows
    python benchmarks/service.py --embeddings vectors.npz          kept for the next run
    python benchmarks/service.py --seconds 3 --connections 1 8     a short run

`retrieval serve` runs as a process of its own with its default settings, without API keys, over one
collection; every request is a hybrid search for ten chunks. Before any time is printed the answers
must be those of SQL, for the same query. Low load: one connection; each question goes to SQL,
through psycopg, and to the service in turn. Load: so many connections at once, each of which asks
again as soon as it has its answer, with an embedding given and with the text alone, which the
service embeds. Overload: far more connections than the service takes on, which come again a
twentieth of a second after they were refused; every answer must be 200, or 503 with Retry-After.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
from corpus import load_texts
from filled import fill
from numpy.typing import NDArray
from pgvector import HalfVector
from questions import QUESTIONS
from semantic_search import embed
from servers import new_database, server_url

from retrieval.embedding.locate import DEFAULT_MODEL

PATH = "/v1/collections/benchmark/search"
DATABASE = "service_benchmark"
PASSES = 5
OVERLOAD = 400
PAUSE = 0.05

Floats = NDArray[np.float32]


class Service:
    """A running `retrieval serve`."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = psutil.Process(process.pid)

    def megabytes(self) -> float:
        """What it has in memory."""
        return float(self.process.memory_info().rss) / 2**20

    def ask(self, connection: HTTPConnection, body: bytes) -> Any:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"the service answers {response.status}: {answer.decode()}")
        return answer


@contextmanager
def served(database_url: str) -> Iterator[Service]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "from retrieval.cli import main; main()"
    environment = {
        **os.environ,
        "RETRIEVAL_DATABASE_URL": database_url,
        "RETRIEVAL_AUTHENTICATION": "off",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        else:
            raise SystemExit("the service did not start")
        yield Service(port, process)
    finally:
        process.terminate()
        process.wait()


def body(question: str, vector: Floats | None) -> bytes:
    given: dict[str, Any] = {"query": question}
    if vector is not None:
        given["query_embedding"] = [round(float(each), 6) for each in vector]
    return json.dumps(given).encode()


def sql_search(connection: psycopg.Connection, question: str, vector: Floats) -> list[Any]:
    return connection.execute(
        "select * from retrieval.hybrid_search('benchmark', %s, %s::halfvec)",
        [question, HalfVector([round(float(each), 6) for each in vector]).to_text()],
    ).fetchall()


def check(service: Service, connection: psycopg.Connection, vectors: Floats) -> None:
    """The service's answers must be those of SQL."""
    http = HTTPConnection("127.0.0.1", service.port)
    for question, vector in zip(QUESTIONS, vectors, strict=True):
        answer = json.loads(service.ask(http, body(question, vector)))
        found = [(hit["chunk_id"], hit["score"], hit["content"]) for hit in answer["hits"]]
        expected = [(row[0], row[7], row[5]) for row in sql_search(connection, question, vector)]
        if found != expected:
            raise SystemExit(f"over HTTP {question!r} finds {found}, in SQL {expected}")
    http.close()


def low_load(service: Service, connection: psycopg.Connection, vectors: Floats) -> float:
    """Print what HTTP adds; returns the median over HTTP, in milliseconds."""
    http = HTTPConnection("127.0.0.1", service.port)
    sql: list[float] = []
    over_http: list[float] = []
    bodies = [body(*each) for each in zip(QUESTIONS, vectors, strict=True)]
    for _ in range(1 + PASSES):
        for question, vector, given in zip(QUESTIONS, vectors, bodies, strict=True):
            sql.append(milliseconds(lambda q=question, v=vector: sql_search(connection, q, v)))
            over_http.append(milliseconds(lambda given=given: service.ask(http, given)))
    http.close()
    rounds = np.array([sql, over_http])[:, len(QUESTIONS) :]
    added = np.median((rounds[1] - rounds[0]).reshape(PASSES, -1), axis=0)
    print("| one connection | p50 ms | p95 ms |\n|---|---|---|")
    for name, times in zip(("SQL", "HTTP"), rounds, strict=True):
        print(f"| {name} | {percentiles(times, 50, 95)} |")
    print(f"| added, median of {PASSES} rounds of a question | {percentiles(added, 50, 95)} |")
    print(f"\nHTTP / SQL, question by question: p50 {np.median(rounds[1] / rounds[0]):.2f}\n")
    return float(np.median(rounds[1]))


def milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def percentiles(times: Sequence[float] | Floats, *wanted: int) -> str:
    if not len(times):
        return " | ".join("-" for _ in wanted)
    return " | ".join(f"{each:.1f}" for each in np.percentile(times, wanted))


@dataclass
class Load:
    """What came of many connections at once."""

    seconds: float = 0
    times: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds


async def under_load(port: int, bodies: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Ask over so many connections, each again when it has its answer."""
    load = Load()
    started = time.perf_counter()
    numbers = count()

    async def keep_asking() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < started + seconds:
            number = next(numbers) % len(bodies)
            asked = time.perf_counter()
            try:
                status, retry_after = await exchange(reader, writer, bodies[number])
            except (OSError, asyncio.IncompleteReadError) as error:
                load.statuses[type(error).__name__] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            if status == 200:
                load.times.append((time.perf_counter() - asked) * 1000)
            else:
                await asyncio.sleep(PAUSE)
            load.statuses[f"{status}{'' if status == 200 or retry_after else ' bare'}"] += 1
        writer.close()

    await asyncio.gather(*(keep_asking() for _ in range(connections)))
    load.seconds = time.perf_counter() - started
    return load


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> tuple[int, bool]:
    """The status of an answer, and whether it says when to come again; with as little as it takes.

    An HTTP client would use more of the processor than the service does.
    """
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answer.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(answer.split(b" ", 2)[1]), b"\r\nretry-after:" in answer


def loads(
    service: Service, bodies: dict[str, list[bytes]], connections: Sequence[int], seconds: float
) -> None:
    print("| query | connections | searches/s | p50 ms | p95 ms | p99 ms | not 200 | memory MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, given in bodies.items():
        for number in connections:
            load = asyncio.run(under_load(service.port, given, number, seconds))
            failed = sum(load.statuses.values()) - load.statuses["200"]
            print(
                f"| {name} | {number} | {load.rate:.0f} | {percentiles(load.times, 50, 95, 99)} "
                f"| {failed} | {service.megabytes():.0f} |"
            )


def overload(service: Service, bodies: Sequence[bytes], seconds: float, usual: float) -> None:
    load = asyncio.run(under_load(service.port, bodies, OVERLOAD, seconds))
    if set(load.statuses) - {"200", "503"}:
        raise SystemExit(f"under overload there were other answers: {dict(load.statuses)}")
    total = sum(load.statuses.values())
    print(
        f"\n{OVERLOAD} connections: {load.rate:.0f} searches/s, {load.statuses['503'] / total:.0%} "
        f"of {total:,} requests answered with 503 and Retry-After; "
        f"p95 of the others {percentiles(load.times, 95)} ms; {service.megabytes():.0f} MiB"
    )
    after = asyncio.run(under_load(service.port, bodies, 1, min(seconds, 3)))
    print(
        f"one connection afterwards: p50 {percentiles(after.times, 50)} ms, before {usual:.1f} ms, "
        f"not 200: {sum(after.statuses.values()) - after.statuses['200']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, help="a corpus.jsonl of BEIR")
    parser.add_argument("--embeddings", type=Path, help="where embeddings are kept (.npz)")
    parser.add_argument("--tokens", type=int, default=32, help="how much of a text is embedded")
    parser.add_argument("--database-url", help="a server on which a database may be created")
    parser.add_argument("--seconds", type=float, default=20, help="how long each load lasts")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16, 64])
    given = parser.parse_args()
    texts = [text.replace("\x00", "") for text in load_texts(given.corpus)]
    chunks, questions = embed(texts, given.tokens, given.embeddings)
    with (
        server_url(given.database_url) as url,
        new_database(url, DATABASE) as connection,
    ):
        ids = fill(connection, texts, chunks, [{}] * len(texts))
        # what embeds the queries that come as text
        connection.execute("update retrieval.spaces set model = %s", [DEFAULT_MODEL])
        connection.execute("select retrieval.tidy_collection('benchmark')")
        connection.execute("vacuum analyze")
        print(f"{len(ids):,} chunks, {len(QUESTIONS)} questions\n")
        address = psycopg.conninfo.conninfo_to_dict(url) | {"dbname": DATABASE}
        with served(as_url(address)) as service:
            check(service, connection, questions)
            usual = low_load(service, connection, questions)
            bodies = {
                "embedding": [body(*each) for each in zip(QUESTIONS, questions, strict=True)],
                "text": [body(question, None) for question in QUESTIONS],
            }
            asyncio.run(under_load(service.port, bodies["text"], 1, 2))  # loads the model
            loads(service, bodies, given.connections, given.seconds)
            overload(service, bodies["embedding"], given.seconds, usual)


def as_url(parts: dict[str, Any]) -> str:
    """A URL, in which all that psycopg takes can be said."""
    query = "&".join(f"{name}={value}" for name, value in parts.items() if name != "dbname")
    return f"postgresql:///{parts['dbname']}?{query}"


if __name__ == "__main__":
    main()
