"""A collection goes with everything in it, and searches in others do not wait."""

from collections.abc import Callable

import psycopg
import pytest
from statements import column, failure, put, value

TABLES = """select relname from pg_class where relnamespace = 'retrieval'::regnamespace
            and relkind = 'r' and relname ~ '_[0-9]+$'"""
SEARCH = "select document_key from retrieval.keyword_search('kept', 'words')"


@pytest.fixture
def session(connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """A session on a database with the collections kept and dropped."""
    opened = connect("500ms")
    for name in ("kept", "dropped"):
        opened.execute("select retrieval.create_collection(%s)", [name])
        ((*_, chunk),) = put(opened, name, {"document_key": "a", "content": "words"})
        opened.execute("select retrieval.create_space(%s, 's', 'model', 2)", [name])
        opened.execute(
            "select retrieval.put_embeddings(%s, 's', %s, array['[1,0]'::halfvec])", [name, [chunk]]
        )
        opened.execute("select retrieval.build_index(%s, 's')", [name])
    return opened


def drop(session: psycopg.Connection) -> None:
    session.execute("select retrieval.drop_collection('dropped')")


def test_nothing_is_left(session: psycopg.Connection) -> None:
    before = column(session, TABLES)
    drop(session)
    assert len(column(session, TABLES)) == len(before) / 2
    for table in (
        "documents",
        "chunks",
        "chunk_statistics",
        "lexeme_statistics",
        "embeddings",
        "spaces",
    ):
        assert value(session, f"select count(*) from retrieval.{table}") == 1
    assert column(session, SEARCH) == ["a"]
    assert value(session, "select retrieval.drop_orphans()") == 0


def test_a_name_can_be_used_again(session: psycopg.Connection) -> None:
    drop(session)
    session.execute("select retrieval.create_collection('dropped')")
    assert column(session, "select * from retrieval.keyword_search('dropped', 'words')") == []


def test_unknown(session: psycopg.Connection) -> None:
    for name in ("nobody", "", None):
        error = failure(session, "select retrieval.drop_collection(%s)", [name])
        assert error.sqlstate == "42704"


def test_undone_by_a_rollback(session: psycopg.Connection) -> None:
    with session.transaction(force_rollback=True):
        drop(session)
    assert column(
        session, "select document_key from retrieval.keyword_search('dropped', 'words')"
    ) == ["a"]
    assert value(session, "select retrieval.drop_orphans()") == 0


def test_a_busy_parent_leaves_orphans_that_go_later(
    session: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    reader, searcher = connect(), connect("500ms")
    before = column(session, TABLES)
    with reader.transaction():
        assert column(reader, SEARCH) == ["a"]
        drop(session)
        assert failure(session, "select retrieval._collection('dropped')").sqlstate == "42704"
        assert column(searcher, SEARCH) == ["a"]
        put(searcher, "kept", {"document_key": "b", "content": "words"})
        assert set(column(session, TABLES)) & set(before[len(before) // 2 :])
        assert value(session, "select count(*) from retrieval.embeddings") == 1
    assert value(session, "select retrieval.drop_orphans()") > 0
    assert len(column(session, TABLES)) == len(before) / 2
    assert value(session, "select retrieval.drop_orphans()") == 0


def test_the_next_removal_takes_orphans_along(
    session: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    reader = connect()
    session.execute("select retrieval.create_collection('third')")
    with reader.transaction():
        assert column(reader, SEARCH) == ["a"]
        drop(session)
    session.execute("select retrieval.drop_collection('third')")
    kept = value(session, "select collection_id from retrieval.collections")
    assert not [name for name in column(session, TABLES) if not name.endswith(f"_{kept}")]


def test_others_search_while_a_removal_is_not_committed(
    session: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    searcher, reader = connect("500ms"), connect()
    with reader.transaction():
        assert column(reader, SEARCH) == ["a"]
        with session.transaction():
            drop(session)
            assert column(searcher, SEARCH) == ["a"]


def test_waits_for_who_reads_it_and_gives_up_whole(
    session: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    reader = connect()
    search = "select document_key from retrieval.keyword_search('dropped', 'words')"
    with reader.transaction():
        assert column(reader, search) == ["a"]
        assert failure(session, "select retrieval.drop_collection('dropped')").sqlstate == "55P03"
    assert column(reader, search) == ["a"]
    drop(session)


def test_the_callers_lock_timeout_is_kept(session: psycopg.Connection) -> None:
    with session.transaction():
        drop(session)
        assert value(session, "show lock_timeout") == "500ms"
