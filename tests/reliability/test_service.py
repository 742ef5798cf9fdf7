"""The service as a process: stopped in the middle of a request, and without its database."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn

from retrieval import Document, HashingEmbedder, Retriever, SchemaMismatch
from retrieval.cli.serve import serve
from retrieval.service import create_app
from tests.conftest import Server

ROOT = Path(__file__).resolve().parent.parent.parent
SEARCH = "/v1/collections/handbook/search"
PROGRAM = "from retrieval.cli import main; main()"
KEYWORD = {"query": "words", "legs": ["keyword"]}
SETTINGS = {
    "RETRIEVAL_MODEL": "hashing",
    "RETRIEVAL_AUTHENTICATION": "off",
    "RETRIEVAL_LOG_FORMAT": "json",
}


@pytest.fixture
def filled_url(database_url: str) -> str:
    """A database with one document."""
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("handbook", embedder=HashingEmbedder())
        retriever.ingest("handbook", [Document(key="a", content="some words")])
    return database_url


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_until(is_so: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def process(database_url: str, **settings: str) -> Iterator[tuple[Any, httpx.Client]]:
    """`retrieval serve`, and a client of it that keeps no connections."""
    port = free_port()
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", "--port", str(port)],
        env=os.environ
        | SETTINGS
        | {"PYTHONPATH": str(ROOT), "RETRIEVAL_DATABASE_URL": database_url}
        | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=30, headers={"Connection": "close"}
    )
    try:
        wait_until(lambda: started.poll() is not None or status(client, "/readyz") == 200)
        yield started, client
    finally:
        client.close()
        started.kill()
        started.communicate()


def status(client: httpx.Client, path: str) -> int | None:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return None


@contextmanager
def locked(database_url: str) -> Iterator[Callable[[], int]]:
    """Let every search wait; gives how many do."""
    with (
        psycopg.connect(database_url) as holder,
        psycopg.connect(database_url, autocommit=True) as watching,
    ):
        holder.execute("lock table retrieval.chunks in access exclusive mode")
        waiting = (
            "select count(*) from pg_stat_activity"
            " where wait_event_type = 'Lock' and datname = current_database()"
        )
        yield lambda: watching.execute(waiting).fetchone()[0]  # type: ignore[index]
        holder.rollback()


def test_stopped_in_the_middle_of_a_request(filled_url: str) -> None:
    with (
        process(filled_url, RETRIEVAL_DRAIN_SECONDS="1") as (started, client),
        ThreadPoolExecutor() as threads,
    ):
        with locked(filled_url) as waits:
            slow = threads.submit(client.post, SEARCH, json=KEYWORD)
            wait_until(lambda: waits() == 1)
            started.send_signal(signal.SIGTERM)
            # for a while it still serves, and says that it will not
            wait_until(lambda: status(client, "/readyz") == 503)
            assert status(client, "/healthz") == 200
            wait_until(lambda: status(client, "/healthz") is None)
            assert not slow.done()
        assert slow.result().json()["hits"][0]["document_key"] == "a"
        _, said = started.communicate(timeout=20)
    assert started.returncode == 0
    events = [json.loads(line) for line in said.splitlines()]
    assert not [each for each in events if each["level"] in ("WARNING", "ERROR")]
    assert [e["status"] for e in events if e.get("route", "").endswith("search")] == [200]


def test_requests_have_a_limit_when_it_is_stopped(filled_url: str) -> None:
    with (
        process(filled_url, RETRIEVAL_SHUTDOWN_SECONDS="1") as (started, client),
        ThreadPoolExecutor() as threads,
        locked(filled_url) as waits,
    ):
        slow = threads.submit(client.post, SEARCH, json=KEYWORD)
        wait_until(lambda: waits() == 1)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=20)
        assert waits() == 0 and started.returncode == 0
        assert slow.result().status_code == 503
        assert slow.result().json()["type"] == "/problems/shutting-down"
    assert "Traceback" not in said and '"event": "failed"' not in said


def test_what_is_wrong_with_the_database_is_said_before_anything_starts(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", "set to something, to be as before afterwards")
    with pytest.raises(SchemaMismatch, match="run: retrieval init"):
        serve(empty_database_url)


def test_the_database_restarts(
    server: Server, filled_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**SETTINGS, "RETRIEVAL_DATABASE_URL": filled_url}.items():
        monkeypatch.setenv(name, value)
    app = create_app()
    running = uvicorn.Server(uvicorn.Config(app, log_config=None, port=(port := free_port())))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        wait_until(lambda: running.started)
        asyncio.run(_around_a_restart(server, f"http://127.0.0.1:{port}"))
        assert app.state.retriever.engine.pool.checkedout() == 0
    finally:
        running.should_exit = True
        thread.join()


async def _around_a_restart(server: Server, url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:

        async def searched(times: int = 12) -> list[httpx.Response]:
            return await asyncio.gather(*(client.post(SEARCH, json=KEYWORD) for _ in range(times)))

        # every connection of the pool is there, and none is known to be lost afterwards
        assert {each.status_code for each in await searched()} == {200}
        with server.stopped():
            for _ in range(2):
                for each in await searched():
                    assert each.status_code == 503, each.text
                    assert each.json()["type"] == "/problems/database-unavailable"
                    assert each.headers["retry-after"]
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
        assert {each.status_code for each in await searched()} == {200}
        assert (await client.get("/readyz")).status_code == 200
        # once more, while connections are idle: none of them serves an error
        with server.stopped():
            pass
        assert {each.status_code for each in await searched()} == {200}
