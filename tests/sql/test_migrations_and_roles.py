"""The roles belong to the cluster, and who migrates a database may be no superuser."""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from alembic import command
from catalog import difference, read_catalog
from statements import column, put, value
from test_migrations import alembic, catalog_of

from retrieval.database import migration_sql
from tests.conftest import Server

ROLES = ("retrieval_reader", "retrieval_writer", "retrieval_owner")
OWNERS = """select nspowner::regrole::text from pg_namespace where nspname = 'retrieval'
            union select relowner::regrole::text from pg_class
            where relnamespace = 'retrieval'::regnamespace
            union select proowner::regrole::text from pg_proc
            where pronamespace = 'retrieval'::regnamespace"""
LEFT_HERE = """select count(*) from pg_shdepend d join pg_roles r on r.oid = d.refobjid
               where d.dbid = (select oid from pg_database where datname = current_database())
                 and r.rolname = any (%s)"""


@pytest.fixture
def users(server: Server) -> Iterator[list[str]]:
    """The users that a test has created; they go after the roles that they have granted."""
    created: list[str] = []
    yield created
    for name in created:
        server.execute(f"drop role {name}")


@pytest.fixture
def no_roles(server: Server, users: list[str]) -> Iterator[None]:
    """A cluster without the roles; those of the other databases have other names meanwhile."""
    for role in ROLES:
        server.execute(f"alter role {role} rename to other_{role}")
    yield
    with psycopg.connect(server.url(), autocommit=True) as session:
        for role in ROLES:
            session.execute(f"drop role if exists {role}")
            session.execute(f"alter role other_{role} rename to {role}")


@pytest.fixture
def create_user(server: Server, users: list[str]) -> Iterator[Callable[..., str]]:
    """Creates a user with a database of their own where pgvector is, and gives its URL."""
    databases = []

    def create(name: str, attributes: str = "") -> str:
        databases.append(server.create_database())
        users.append(name)
        server.execute(f"create role {name} login {attributes}")
        server.execute(f"grant create on database {databases[-1]} to {name}")
        url = server.url(databases[-1])
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("create extension vector")
        return url.replace("//postgres:@", f"//{name}@")

    yield create
    for database in databases:
        server.drop_database(database)


def search(url: str, role: str | None = None) -> list[str]:
    """What the user finds in a new collection of theirs."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("select retrieval.create_collection('c')")
        put(session, "c", {"document_key": "a", "content": "some words"})
        session.execute("select retrieval.create_space('c', 's', 'm', 1)")
        session.execute(
            """select retrieval.put_embeddings('c', 's', array_agg(chunk_id), '{"[1]"}')
               from retrieval.chunks"""
        )
        session.execute("select retrieval.build_index('c', 's')")
        session.execute("select retrieval.activate_space('c', 's')")
        if role is not None:
            session.execute(f"set role {role}")
        return column(
            session, "select document_key from retrieval.hybrid_search('c', 'words', '[1]')"
        )


@pytest.mark.usefixtures("no_roles")
def test_a_user_who_may_create_roles(create_user: Callable[..., str]) -> None:
    url = create_user("user_migrator", "createrole")
    alembic(url, command.upgrade, "head")
    with psycopg.connect(url) as session:
        assert column(session, OWNERS) == ["retrieval_owner"]
        assert value(session, "select pg_has_role('retrieval_writer', 'retrieval_reader', 'usage')")
        before = catalog_of(url)
    assert search(url) == ["a"]
    with psycopg.connect(url) as session:
        session.execute("select retrieval.drop_collection('c')")
    alembic(url, command.downgrade, "base")
    with psycopg.connect(url) as session:
        assert value(session, LEFT_HERE, [list(ROLES)]) == 0
    alembic(url, command.upgrade, "head")
    assert not difference(before, catalog_of(url))


@pytest.mark.newest
@pytest.mark.usefixtures("no_roles")
def test_a_user_who_may_not(create_user: Callable[..., str]) -> None:
    url = create_user("user_migrator")
    assert notices(url) == [
        *(f"role {role} is not created: user_migrator has no CREATEROLE" for role in ROLES)
    ]
    with psycopg.connect(url) as session:
        assert column(session, OWNERS) == ["user_migrator"]
    assert search(url) == ["a"]


def notices(url: str) -> list[str]:
    """What migrating says of the roles."""
    alembic(url, command.upgrade, "head")
    found: list[str] = []
    with psycopg.connect(url, autocommit=True) as session:
        session.add_notice_handler(lambda notice: found.append(notice.message_primary or ""))
        session.execute("select retrieval.grant_roles()")
    return found


@pytest.mark.newest
def test_roles_that_somebody_else_has_created(create_user: Callable[..., str]) -> None:
    url = create_user("user_migrator")
    assert notices(url) == [
        "user_migrator is not made a member of retrieval_owner: user_migrator may not grant it"
    ]
    with psycopg.connect(url) as session:
        assert column(session, OWNERS) == ["user_migrator"]
    administrator = url.replace("//user_migrator@", "//postgres@")
    with psycopg.connect(administrator, autocommit=True) as session:
        session.execute("grant retrieval_reader, retrieval_owner to user_migrator")
    # what was left out is made up for
    assert search(url, "retrieval_reader") == ["a"]
    assert notices(url) == []
    with psycopg.connect(url) as session:
        assert column(session, OWNERS) == ["retrieval_owner"]
        session.execute("select retrieval.drop_collection('c')")
    assert search(url, "retrieval_reader") == ["a"]


@pytest.mark.newest
def test_a_member_of_the_owner_migrates(create_user: Callable[..., str]) -> None:
    url = create_user("user_migrator", "in role retrieval_owner")
    alembic(url, command.upgrade, "head")
    with psycopg.connect(url) as session:
        assert column(session, OWNERS) == ["retrieval_owner"]
    alembic(url, command.downgrade, "base")
    alembic(url, command.upgrade, "head")
    assert search(url) == ["a"]


@pytest.mark.newest
@pytest.mark.usefixtures("no_roles")
def test_two_databases_at_the_same_moment(server: Server, create_user: Callable[..., str]) -> None:
    urls = [create_user("user_a", "superuser"), create_user("user_b", "superuser")]
    whole = migration_sql().encode()  # Alembic's commands do not run in two threads
    with ExitStack() as opened, ThreadPoolExecutor(2) as threads:
        sessions = [opened.enter_context(psycopg.connect(url, autocommit=True)) for url in urls]
        list(threads.map(lambda session: session.execute(whole), sessions))
    for url in urls:
        with psycopg.connect(url) as session:
            assert column(session, OWNERS) == ["retrieval_owner"]
            assert value(session, LEFT_HERE, [["retrieval_reader"]]) > 0


@pytest.mark.newest
def test_down_leaves_nothing_to_the_roles(database_url: str) -> None:
    alembic(database_url, command.downgrade, "base")
    with psycopg.connect(database_url) as session:
        assert value(session, LEFT_HERE, [list(ROLES)]) == 0
        assert (
            len(
                column(
                    session, "select rolname from pg_roles where rolname = any (%s)", [list(ROLES)]
                )
            )
            == 3
        )


def test_called_again_it_changes_nothing(sql: psycopg.Cursor) -> None:
    before = read_catalog(sql)
    sql.execute("select retrieval.grant_roles()")
    assert not difference(before, read_catalog(sql))


@pytest.mark.newest
def test_pgvector_where_not_everybody_may_go(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as session:
        session.execute("create schema elsewhere; create extension vector schema elsewhere")
    alembic(empty_database_url, command.upgrade, "head")
    assert search(empty_database_url, "retrieval_reader") == ["a"]


@pytest.mark.newest
def test_dumped_and_restored(server: Server, database_url: str, empty_database_url: str) -> None:
    assert search(database_url) == ["a"]
    dumped = subprocess.run(
        [server.binaries / "pg_dump", "-Fc", database_url], check=True, capture_output=True
    ).stdout
    subprocess.run(
        [server.binaries / "pg_restore", "-e", "-d", empty_database_url], input=dumped, check=True
    )
    assert not difference(catalog_of(database_url), catalog_of(empty_database_url))
    with psycopg.connect(empty_database_url) as session:
        assert column(session, OWNERS) == ["retrieval_owner"]
        session.execute("set role retrieval_reader")
        assert column(session, "select title is null from retrieval.keyword_search('c', 'words')")
