"""The migrations go both ways, stay inside of their schema and say where they cannot run."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from catalog import ROOT, difference, read_catalog
from sqlalchemy.exc import DBAPIError
from statements import column, put, value

from retrieval.database import migration_sql, open_engine
from retrieval.orm import Base


def alembic(url: str, run: Callable[..., None], *arguments: str) -> None:
    """Run one of Alembic's commands in a transaction of its own."""
    engine = open_engine(url)
    config = Config(ROOT / "alembic.ini")
    try:
        with engine.begin() as connection:
            config.attributes.update(connection=connection, metadata=Base.metadata)
            run(config, *arguments)
    finally:
        engine.dispose()


def catalog_of(url: str) -> dict[str, str]:
    with psycopg.connect(url) as session:
        return read_catalog(session)


@contextmanager
def database(server, options: str):
    """A database with options of its own."""
    name = f"{server.create_database()}_other"
    server.execute(f"create database {name} {options}")
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)


def test_down_and_up_again(database_url: str) -> None:
    before = catalog_of(database_url)
    alembic(database_url, command.downgrade, "base")
    alembic(database_url, command.upgrade, "head")
    assert not difference(before, catalog_of(database_url))


def test_down_leaves_nothing_behind(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("select retrieval.create_collection('c')")
        put(session, "c", {"document_key": "a", "content": "some words"})
        session.execute("select retrieval.create_space('c', 's', 'model', 3)")
    alembic(database_url, command.downgrade, "base")
    assert catalog_of(database_url) == {}
    with psycopg.connect(database_url) as session:
        left = "select relname from pg_class where relnamespace = 'retrieval'::regnamespace"
        assert sorted(column(session, left)) == ["alembic_version", "alembic_version_pkc"]
    alembic(database_url, command.upgrade, "head")


def test_sql_for_psql_builds_the_same(server, database_url, empty_database_url) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    assert printed.decode().split() == migration_sql().split()
    subprocess.run(
        [server.binaries / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", empty_database_url],
        input=printed,
        check=True,
        capture_output=True,
    )
    assert not difference(catalog_of(database_url), catalog_of(empty_database_url))
    with psycopg.connect(database_url) as online, psycopg.connect(empty_database_url) as offline:
        version = "select version_num from retrieval.alembic_version"
        assert value(online, version) == value(offline, version)


def test_command_line(database_url: str, empty_database_url: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "alembic", "-x", f"url={empty_database_url}", "upgrade", "head"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    assert not difference(catalog_of(database_url), catalog_of(empty_database_url))


def test_a_second_upgrade_does_nothing(database_url: str) -> None:
    written = """select array_agg(oid || ' ' || xmin order by oid) from (
        select oid, xmin from pg_proc where pronamespace = 'retrieval'::regnamespace
        union all select oid, xmin from pg_class
        where relnamespace = 'retrieval'::regnamespace) o"""
    with psycopg.connect(database_url, autocommit=True) as session:
        before = value(session, written)
        alembic(database_url, command.upgrade, "head")
        assert value(session, written) == before


def test_lives_beside_an_application(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as session:
        session.execute("create table public.alembic_version (version_num text)")
        session.execute("insert into public.alembic_version values ('theirs')")
        session.execute("create table public.orders (id bigint primary key, retrieval text)")
        session.execute("create schema shop; create table shop.chunks (id bigint primary key)")
        theirs = """select array_agg(oid || ' ' || xmin || ' ' || relname order by oid)
                    from pg_class
                    where relnamespace in ('public'::regnamespace, 'shop'::regnamespace)"""
        before = value(session, theirs)
        alembic(empty_database_url, command.upgrade, "head")
        alembic(empty_database_url, command.check)
        assert value(session, theirs) == before
        alembic(empty_database_url, command.downgrade, "base")
        assert value(session, theirs) == before
        assert value(session, "select version_num from public.alembic_version") == "theirs"


def test_check_finds_nothing_where_there_are_collections(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("select retrieval.create_collection('c')")
        session.execute("select retrieval.create_space('c', 's', 'model', 3)")
        session.execute("select retrieval.build_index('c', 's')")
    alembic(database_url, command.check)


def test_another_encoding_is_refused(server) -> None:
    with (
        database(server, "template template0 encoding 'SQL_ASCII' locale 'C'") as url,
        pytest.raises(
            DBAPIError, match="encoding UTF8 is needed, this one has SQL_ASCII"
        ) as raised,
    ):
        alembic(url, command.upgrade, "head")
    assert raised.value.orig.sqlstate == "0A000"


def test_an_old_pgvector_is_refused(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as session:
        session.execute("create extension vector")
        session.execute("update pg_extension set extversion = '0.7.4' where extname = 'vector'")
    with pytest.raises(DBAPIError, match=r"pgvector 0\.8") as raised:
        alembic(empty_database_url, command.upgrade, "head")
    assert raised.value.orig.sqlstate == "0A000"
    assert catalog_of(empty_database_url) == {}


def test_pgvector_may_live_in_another_schema(database_url: str, empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as session:
        session.execute("create schema elsewhere; create extension vector schema elsewhere")
    alembic(empty_database_url, command.upgrade, "head")
    with psycopg.connect(empty_database_url) as session:
        session.execute("select retrieval.create_collection('c')")
        session.execute("select retrieval.create_space('c', 's', 'model', 2)")
        ((*_, chunk),) = put(session, "c", {"document_key": "a", "content": "some words"})
        session.execute(
            "select retrieval.put_embeddings('c', 's', %s, array['[1,0]'::elsewhere.halfvec])",
            [[chunk]],
        )
        session.execute(
            "select retrieval.build_index('c', 's'), retrieval.activate_space('c', 's')"
        )
        search = "select chunk_id from retrieval.hybrid_search('c', 'words', '[1,0]')"
        assert column(session, search) == [chunk]
