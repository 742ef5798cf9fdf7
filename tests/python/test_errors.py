"""What a database says becomes one line of this package's own; a password is never in it."""

import inspect
import re
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

import retrieval
from retrieval import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    RetrievalError,
    Retriever,
    SchemaMismatch,
    UnsupportedDatabase,
    errors,
)
from retrieval.database import (
    current_revision,
    normalise_url,
    open_engine,
    translate_errors,
    upgrade_schema,
)
from tests.conftest import Server

SECRET = "s3cr3t-of-mine"


def leaves(tree: type[RetrievalError]) -> list[type[RetrievalError]]:
    return [tree, *(leaf for each in tree.__subclasses__() for leaf in leaves(each))]


def test_every_error_is_drawn_documented_and_exported() -> None:
    drawn = re.findall(r"[├└]── (\w+)", inspect.getdoc(errors) or "")
    defined = [
        each.__name__ for each in leaves(RetrievalError) if each.__module__ == errors.__name__
    ]
    assert sorted(["RetrievalError", *drawn]) == sorted(defined)
    for name in defined:
        assert getattr(retrieval, name).__doc__ and name in retrieval.__all__
    assert retrieval.__all__ == sorted(retrieval.__all__)


def refusal(url: str) -> DatabaseError | ConfigurationError:
    """The error that opening a URL gives: one line without the password, and so its causes."""
    with pytest.raises((DatabaseError, ConfigurationError)) as caught:
        Retriever.open(url)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    cause: BaseException | None = caught.value
    while cause is not None:
        assert SECRET not in str(cause)
        cause = cause.__cause__
    return caught.value


@pytest.mark.parametrize(
    ("url", "kind", "named"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/d", DatabaseUnavailable, "refused"),
        (f"postgresql://u:{SECRET}@nowhere.invalid/d", DatabaseUnavailable, "nowhere.invalid"),
        (
            f"postgresql://u:{SECRET}@/d?host=/nowhere/at/all",
            DatabaseUnavailable,
            "/nowhere/at/all",
        ),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/d?flavour=mild", DatabaseError, "flavour"),
        (f"mysql://u:{SECRET}@host/d", ConfigurationError, "mysql"),
        (f"sqlite:///{SECRET}.db", ConfigurationError, "sqlite"),
        (f"u:{SECRET}@host", ConfigurationError, "looks like postgresql://"),
        (f"postgresql://u:{SECRET}@host:port/d", ConfigurationError, "looks like postgresql://"),
        (f"host=localhost password={SECRET}", ConfigurationError, "looks like postgresql://"),
        ("  ", ConfigurationError, "looks like postgresql://"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, kind: type[RetrievalError], named: str) -> None:
    error = refusal(url)
    assert isinstance(error, kind) and named in str(error)


def test_a_database_that_does_not_exist(server: Server) -> None:
    error = refusal(server.url("nowhere"))
    assert isinstance(error, DatabaseUnavailable) and '"nowhere" does not exist' in str(error)


def test_a_wrong_password(server: Server, database_url: str) -> None:
    database = normalise_url(database_url).database
    with psycopg.connect(server.url(), autocommit=True) as session:
        (access,) = session.execute("show hba_file").fetchone() or ("",)
        rules = Path(access).read_text()
        Path(access).write_text(f"local {database} postgres scram-sha-256\n{rules}")
        session.execute("select pg_reload_conf()")
        try:
            wait_for_rule(server)
            error = refusal(database_url.replace("postgres:@", f"postgres:{SECRET}@"))
        finally:
            Path(access).write_text(rules)
            session.execute("select pg_reload_conf()")
    assert isinstance(error, DatabaseUnavailable) and "password authentication" in str(error)


def wait_for_rule(server: Server) -> None:
    """Until new sessions follow the rules of the file."""
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute("select pg_sleep(0.2)")


@pytest.mark.parametrize("version", ["0.7.4", "0.5.1", "0.7.99dev"])
def test_an_old_pgvector(empty_database_url: str, version: str) -> None:
    with psycopg.connect(empty_database_url) as session:
        session.execute("create extension vector")
        session.execute(
            "update pg_extension set extversion = %s where extname = 'vector'", [version]
        )
    error = upgrade_failure(empty_database_url)
    assert isinstance(error, UnsupportedDatabase)
    assert f"pgvector 0.8 or newer is needed, this is {version}" in str(error)
    assert "alter extension vector update" in str(error)


def test_no_pgvector(server: Server, empty_database_url: str) -> None:
    if server.version < 18:
        pytest.skip("only PostgreSQL 18 can be told to look for extensions elsewhere")
    name = normalise_url(empty_database_url).database
    server.execute(f"alter database {name} set extension_control_path = '/nowhere'")
    error = upgrade_failure(empty_database_url)
    assert isinstance(error, UnsupportedDatabase)
    assert 'extension "vector" is not available' in str(error)


def upgrade_failure(url: str) -> RetrievalError:
    """Why the schema cannot be created; nothing of it is left behind."""
    engine = open_engine(url)
    with pytest.raises(RetrievalError) as caught, translate_errors(), engine.begin() as connection:
        upgrade_schema(connection)
    with engine.connect() as connection:
        assert connection.scalar(text("select to_regnamespace('retrieval')")) is None
        assert current_revision(connection) is None
    engine.dispose()
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_newer_schema(database_url: str) -> None:
    """Neither used nor upgraded."""
    with psycopg.connect(database_url) as session:
        session.execute("update retrieval.alembic_version set version_num = '9999_future'")
    error = refusal(database_url)
    assert isinstance(error, SchemaMismatch)
    assert "9999_future" in str(error) and "upgrade this package" in str(error)
    engine = open_engine(database_url)
    with pytest.raises(SchemaMismatch, match="9999_future"), engine.begin() as connection:
        upgrade_schema(connection)
    engine.dispose()


def test_an_older_schema(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.database.schema.head_revision", lambda: "0002_next")
    error = refusal(database_url)
    assert isinstance(error, SchemaMismatch)
    assert "older than 0002_next; run: retrieval init" in str(error)


def test_an_empty_version_table(database_url: str) -> None:
    """As `alembic downgrade base` leaves it."""
    with psycopg.connect(database_url) as session:
        session.execute("delete from retrieval.alembic_version")
    assert "no retrieval schema; run: retrieval init" in str(refusal(database_url))


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("select 1/0", InvalidInput),
        ("select retrieval.drop_collection('x')", NotFound),
        ("select retrieval.no_such_function()", SchemaMismatch),
        ("select * from retrieval.no_such_table", SchemaMismatch),
        ("select no_such_column", DatabaseError),
        ("selec", DatabaseError),
        (
            "do $$begin raise exception E'two\\nlines' using hint = E'try\\nmore.'; end$$",
            DatabaseError,
        ),
    ],
)
def test_sqlstates_have_kinds(
    database_url: str, statement: str, kind: type[RetrievalError]
) -> None:
    engine = open_engine(database_url)
    with pytest.raises(RetrievalError) as caught, translate_errors(), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_server_that_goes_away(server: Server, database_url: str) -> None:
    """The error says so, and the next call connects again."""
    with Retriever.open(database_url) as retriever:
        with pytest.raises(DatabaseUnavailable), retriever._connection(None) as connection:
            connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        assert retriever.collections() == []
        database = normalise_url(database_url).database
        server.execute(
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'"
        )
        assert retriever.collections() == []


def test_an_interruption_that_makes_a_rollback_fail_is_still_one() -> None:
    failed = psycopg.ProgrammingError("can't change 'autocommit' now")
    with pytest.raises(KeyboardInterrupt), translate_errors():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            try:
                raise failed
            except psycopg.Error as error:
                raise ProgrammingError("rollback", {}, error) from error
    with pytest.raises(RetrievalError), translate_errors():
        raise ProgrammingError("rollback", {}, psycopg.ProgrammingError("no"))
