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
from retrieval.database.liveness import refuse_closed_connections
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
# a search goes on without the replica
REPLICA_CONNECT_TIMEOUT = 2


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


def open_engine(url: str | URL | None = None, *, connect_timeout: int | None = None) -> Engine:
    """An engine for the URL, the environment's or the embedded server; nothing connects yet."""
    given = url if isinstance(url, URL) else database_url(url)
    engine = create_engine(given, **_options(connect_timeout))
    refuse_closed_connections(engine)
    return engine


def open_async_engine(
    url: str | URL | None = None, *, connect_timeout: int | None = None
) -> AsyncEngine:
    """The asynchronous twin of `open_engine`."""
    given = url if isinstance(url, URL) else database_url(url)
    engine = create_async_engine(given, **_options(connect_timeout))
    refuse_closed_connections(engine.sync_engine)
    return engine


def _options(connect_timeout: int | None) -> dict[str, Any]:
    settings = Settings()
    return {
        "pool_size": settings.pool_size,
        "max_overflow": settings.pool_overflow,
        "pool_timeout": settings.pool_timeout_seconds,
        # statements hold texts of documents and queries: they do not belong into messages
        "hide_parameters": True,
        "connect_args": {
            "connect_timeout": connect_timeout or settings.connect_timeout_seconds,
            # without an encoding psycopg gives bytes for text where the database has SQL_ASCII
            "client_encoding": "utf8",
            **_LIVENESS,
            # a pooler gives each transaction another session, which does not know what was prepared
            **({} if settings.prepared_statements else {"prepare_threshold": None}),
        },
    }


def open_replica(url: str | None, replica_url: str | None) -> Engine | None:
    """An engine for the replica of the database at `url`, None where it has none."""
    given = _replica_url(url, replica_url)
    return given and open_engine(given, connect_timeout=REPLICA_CONNECT_TIMEOUT)


def open_async_replica(url: str | None, replica_url: str | None) -> AsyncEngine | None:
    """The asynchronous twin of `open_replica`."""
    given = _replica_url(url, replica_url)
    return given and open_async_engine(given, connect_timeout=REPLICA_CONNECT_TIMEOUT)


def _replica_url(url: str | None, given: str | None) -> URL | None:
    """What the environment says is the replica of the database that it names, and of no other."""
    settings = Settings()
    found = given or (None if url else settings.replica_url)
    if found is None:
        return None
    return _with_password(normalise_url(found), settings.database_password_file)


@contextmanager
def transaction(url: str | None = None) -> Iterator[Connection]:
    """One transaction on a connection of its own, with this package's errors."""
    engine = open_engine(url)
    try:
        with translate_errors(), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
