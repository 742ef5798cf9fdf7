"""Sessions of their own, for tests of what several of them do to each other."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg.rows import namedtuple_row


@pytest.fixture
def connect(database_url: str) -> Iterator[Callable[..., psycopg.Connection]]:
    """Opens sessions on the test's database, in autocommit; who waits too long gets an error."""
    with ExitStack() as sessions:

        def open_session(lock_timeout: str = "15s") -> psycopg.Connection:
            session = psycopg.connect(
                database_url,
                autocommit=True,
                row_factory=namedtuple_row,
                options=f"-c lock_timeout={lock_timeout} -c statement_timeout=30s",
            )
            return sessions.enter_context(session)  # type: ignore[return-value]

        yield open_session
