"""From a URL, or from none, to a SQLAlchemy engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from retrieval.database.failures import translate_errors
from retrieval.database.server import embedded_server_url
from retrieval.errors import ConfigurationError
from retrieval.settings import Settings

# without an encoding psycopg gives bytes for text where the database has SQL_ASCII
_CONNECT = {"connect_timeout": 10, "client_encoding": "utf8"}


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
    given = url or settings.database_url
    if not given:
        return normalise_url(embedded_server_url(settings.data_directory))
    return _with_password(normalise_url(given), settings.database_password_file)


def _with_password(url: URL, file: Path | None) -> URL:
    if file is None or url.password is not None:
        return url
    try:
        return url.set(password=file.read_text("utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the password cannot be read from {file}: {error}") from error


def is_embedded(url: str | None = None) -> bool:
    """Whether the URL given and the environment leave it to the embedded server."""
    return not (url or Settings().database_url)


def _options() -> dict[str, Any]:
    prepared = {} if Settings().prepared_statements else {"prepare_threshold": None}
    return {"pool_pre_ping": True, "connect_args": {**_CONNECT, **prepared}}


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
