"""Real worker processes: killed, stopped, side by side, and without their database for a while."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from retrieval import HashingEmbedder, Retriever, Worker

ROOT = Path(__file__).resolve().parent.parent.parent
# a slow model that writes down what it was asked for; a short lease and short waits
PROGRAM = """
import os, sys, time
from pathlib import Path
from retrieval.cli import main
from retrieval.embedding import HashingEmbedder
from retrieval.worker import backoff, worker
worker.LEASE_SECONDS = 1.0
worker.Worker.__init__.__kwdefaults__["lease_seconds"] = 1.0
backoff.FIRST_SECONDS = 0.1
embed = HashingEmbedder.embed_documents
def embed_slowly(self, texts, **options):
    with Path(os.environ["ASKED"]).open("a") as asked:
        for text in texts:
            asked.write(text.replace("\\n", " ") + "\\n")
            asked.flush()
            time.sleep(float(os.environ["SECONDS"]))
    return embed(self, texts, **options)
HashingEmbedder.embed_documents = embed_slowly
main()
"""
EMBEDDED = "select count(*) from retrieval.embeddings"
INSERT = (
    "insert into hotels select n, 'name ' || n, 'words ' || n"
    " from generate_series(%s::integer, %s) n"
)


class Workers:
    """Starts processes and knows what their models were asked for."""

    def __init__(self, database_url: str, asked: Path) -> None:
        self.database_url = database_url
        self.asked = asked
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *options: str, seconds: float = 0) -> subprocess.Popen[str]:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "RETRIEVAL_DATABASE_URL": self.database_url,
            "RETRIEVAL_CALIBRATE": "false",
            "RETRIEVAL_LOG_FORMAT": "text",
            "ASKED": str(self.asked),
            "SECONDS": str(seconds),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "worker", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def texts(self) -> list[str]:
        return self.asked.read_text().splitlines() if self.asked.exists() else []


@pytest.fixture
def workers(database_url: str, tmp_path: Path) -> Iterator[Workers]:
    """An attached table, and nobody who embeds what is written to it yet."""
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("hotels", embedder=HashingEmbedder())
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("create table hotels (id integer primary key, name text, about text)")
        session.execute("select retrieval.attach_table('hotels', 'hotels', 'id', 'name', 'about')")
    started = Workers(database_url, tmp_path / "asked")
    yield started
    for process in started.processes:
        process.kill()
        process.communicate()


@pytest.fixture
def session(workers: Workers) -> Iterator[psycopg.Connection]:
    """A connection of the application."""
    with psycopg.connect(workers.database_url, autocommit=True) as opened:
        yield opened


def wait_until(is_so: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def value(session: psycopg.Connection, statement: str, *parameters: Any) -> Any:
    row = session.execute(statement, parameters).fetchone()
    return row and row[0]


def test_killed_in_the_middle_its_jobs_come_back(
    workers: Workers, session: psycopg.Connection
) -> None:
    session.execute(INSERT, [1, 200])
    killed = workers.start(seconds=0.05)
    wait_until(lambda: len(workers.texts()) >= 5)
    killed.kill()
    killed.wait()
    assert value(session, EMBEDDED) == 0
    assert value(session, "select count(*) from retrieval.jobs where state = 'running'") == 4
    wait_until(lambda: value(session, "select max(run_after) < now() from retrieval.jobs"))
    with Retriever.open(workers.database_url) as retriever:
        assert Worker(retriever.engine).run(once=True) == 200
        assert retriever.spaces.summaries("hotels")[0].missing == 0
    assert value(session, "select count(*) from retrieval.jobs") == 0


def test_stopped_in_the_middle_of_a_batch(workers: Workers, session: psycopg.Connection) -> None:
    session.execute(INSERT, [1, 200])
    stopped = workers.start(seconds=0.1)  # 20 seconds in all
    wait_until(lambda: len(workers.texts()) >= 3)
    began = time.monotonic()
    stopped.terminate()
    _, said = stopped.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert stopped.returncode == 0 and "Traceback" not in said
    assert said.splitlines()[-1].endswith("embedded=0 released=4")
    assert "words" not in said
    states = "select array_agg(distinct state || attempts) from retrieval.jobs"
    assert value(session, states) == ["pending0"]


def test_two_workers_embed_everything_once(workers: Workers, session: psycopg.Connection) -> None:
    both = [workers.start("--batch", "64", seconds=0.002) for _ in range(2)]
    session.execute(INSERT, [1, 1000])
    wait_until(lambda: value(session, EMBEDDED) == 1000)
    counts = Counter(workers.texts())
    assert len(counts) == 1000 and set(counts.values()) == {1}
    wait_until(lambda: value(session, "select count(*) from retrieval.jobs") == 0)
    with Retriever.open(workers.database_url) as retriever:
        hits = retriever.search("hotels", "name 77 words 77", legs=["semantic"])
        assert hits[0].document_key == "77"
        assert retriever.jobs()[0].per_minute == 200

    # both wait for some seconds now, unless they hear of something
    time.sleep(1)
    session.execute(INSERT, [1001, 1001])
    began = time.monotonic()
    wait_until(lambda: value(session, EMBEDDED) == 1001)
    assert time.monotonic() - began < 1

    cut = """select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()
               and backend_type = 'client backend'"""
    assert value(session, cut) >= 2
    session.execute(INSERT, [1002, 1002])
    wait_until(lambda: value(session, EMBEDDED) == 1002)

    for each, number in zip(both, (signal.SIGTERM, signal.SIGINT), strict=True):
        each.send_signal(number)
    for each in both:
        _, said = each.communicate(timeout=10)
        assert each.returncode == 0 and "event=embedded" in said and "Traceback" not in said
