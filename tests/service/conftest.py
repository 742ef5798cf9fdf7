"""The service as its users meet it: uvicorn on a free port, a migrated database behind it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from retrieval.service import create_app


@contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    """Run the application in a thread and talk to it."""
    # with the protocol named, asyncio turns off Nagle's algorithm: 40 ms a request
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            port = listening.getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def handbook(database_url: str) -> Iterator[httpx.Client]:
    """A client of a service that opened its retriever itself, with the collection `handbook`."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RETRIEVAL_DATABASE_URL", database_url)
        environment.setenv("RETRIEVAL_MODEL", "hashing")
        environment.setenv("RETRIEVAL_MAXIMUM_BODY_BYTES", "100000")
        with serving(create_app()) as client:
            created = client.post("/v1/collections", json={"name": "handbook"})
            assert created.status_code == 201, created.text
            yield client


@pytest.fixture
def client(database_url: str) -> Iterator[httpx.Client]:
    """A client with a database of the test's own."""
    with handbook(database_url) as client:
        yield client


@pytest.fixture(scope="module")
def shared_client(server: Any) -> Iterator[httpx.Client]:
    """A client for tests that leave nothing behind."""
    database = server.create_database("retrieval_template")
    with handbook(server.url(database)) as client:
        yield client
    server.drop_database(database)
