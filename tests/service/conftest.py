"""The service as its users meet it: uvicorn on a free port, a migrated database behind it."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from serving import serving

from retrieval.service import create_app


@pytest.fixture(autouse=True)
def without_authentication(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications that a test makes ask for no keys; the tests of these say otherwise."""
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "off")


@contextmanager
def handbook(database_url: str) -> Iterator[httpx.Client]:
    """A client of a service that opened its retriever itself, with the collection `handbook`."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RETRIEVAL_DATABASE_URL", database_url)
        environment.setenv("RETRIEVAL_AUTHENTICATION", "off")
        environment.setenv("RETRIEVAL_MODEL", "hashing")
        environment.setenv("RETRIEVAL_MAXIMUM_BODY_BYTES", "100000")
        # what is slow is the machine, not the service
        environment.setenv("RETRIEVAL_MAXIMUM_WAIT_SECONDS", "60")
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
def shared_client(module_database_url: str) -> Iterator[httpx.Client]:
    """A client for tests that leave nothing behind."""
    with handbook(module_database_url) as client:
        yield client
