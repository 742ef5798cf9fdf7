"""From a URL, or from none, to a SQLAlchemy engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from retrieval.database.failures import translate_errors
from retrieval.database.server import embedded_server_url
from retrieval.errors import ConfigurationError
from retrieval.settings import Settings

# A connection whose other end has gone without a word fails within half a minute.
_LIVENESS = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


def _options() -> dict[str, Any]:
    timeout = Settings().connect_timeout_seconds
    return {
        "pool_pre_ping": True,
        # statements hold texts of documents and queries: they do not belong into messages
        "hide_parameters": True,
        # without an encoding psycopg gives bytes for text where the database has SQL_ASCII
        "connect_args": {"connect_timeout": timeout, "client_encoding": "utf8", **_LIVENESS},
    }


def normalise_url(url: str) -> URL:
    """Any PostgreSQL URL, with psycopg 3 as its driver."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "the database URL cannot be read; it looks like postgresql://user@host/database"
        ) from error
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError(
            f"the database URL names {parsed.get_backend_name()}, not postgresql"
        )
    return parsed.set(drivername="postgresql+psycopg")


def database_url(url: str | None = None) -> URL:
    """The URL given, else RETRIEVAL_DATABASE_URL, else the embedded server's."""
    settings = Settings()
    return normalise_url(
        url or settings.database_url or embedded_server_url(settings.data_directory)
    )


def is_embedded(url: str | None = None) -> bool:
    """Whether the URL given and the environment leave it to the embedded server."""
    return not (url or Settings().database_url)


def open_engine(url: str | URL | None = None) -> Engine:
    """An engine for the URL, the environment's or the embedded server; nothing connects yet."""
    return create_engine(url if isinstance(url, URL) else database_url(url), **_options())


def open_async_engine(url: str | URL | None = None) -> AsyncEngine:
    """The asynchronous twin of `open_engine`."""
    return create_async_engine(url if isinstance(url, URL) else database_url(url), **_options())


@contextmanager
def transaction(url: str | None = None) -> Iterator[Connection]:
    """One transaction on a connection of its own, with this package's errors."""
    engine = open_engine(url)
    try:
        with translate_errors(), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
