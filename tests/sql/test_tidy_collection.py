"""After a bulk load: statistics folded, indexes without pending entries, plans that use them."""

from collections.abc import Callable

import psycopg
import pytest
from bm25 import Reference
from statements import column, failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

TIDY = "select retrieval.tidy_collection('c')"
SEARCH = "select chunk_id, score from retrieval.keyword_search('c', %s, max_results => 20)"
LEXEME_ROWS = """
    select count(*) as rows, count(distinct lexeme) as lexemes from retrieval.lexeme_statistics"""
INDEXES = """
    select i.indexrelid::regclass from pg_index i
    join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where a.amname = 'gin' and i.indrelid = %s::regclass"""


@pytest.fixture
def session(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c, written by forty statements."""
    session = sql
    session.execute("select retrieval.create_collection('c', 'simple')")
    for batch in range(40):
        documents = (
            {
                "document_key": str(number),
                "content": f"common word{number % 700} {'x ' * (number % 9)}",
                "metadata": {"number": number},
                "text_config": "english" if batch == 3 else None,
            }
            for number in range(batch * 100, batch * 100 + 100)
        )
        put(session, "c", *documents)
    session.execute("delete from retrieval.chunks where mod(chunk_id, 11) = 0")
    return session


def test_statistics_are_folded_and_exact(session: psycopg.Cursor) -> None:
    queries = ("word7", "common", "word1 word2 common", "x word699")
    before = [session.execute(SEARCH, [query]).fetchall() for query in queries]
    rows, lexemes = session.execute(LEXEME_ROWS).fetchone() or (0, 0)
    assert rows > lexemes
    session.execute(TIDY)
    assert session.execute(LEXEME_ROWS).fetchone() == (lexemes, lexemes)
    assert value(session, "select count(*) from retrieval.chunk_statistics") == 2
    assert session.execute("select * from retrieval.statistics_drift('c')").fetchall() == []
    assert [session.execute(SEARCH, [query]).fetchall() for query in queries] == before
    reference = Reference(session, "c")
    for query, found in zip(queries, before, strict=True):
        expected = reference.search(reference.words(query))[:20]
        assert [hit.chunk_id for hit in found] == [chunk_id for chunk_id, _ in expected]
        assert [hit.score for hit in found] == pytest.approx([s for _, s in expected], abs=1e-9)


def test_words_that_are_gone_leave_no_rows(session: psycopg.Cursor) -> None:
    session.execute(
        "select retrieval.delete_documents('c', array['5', '705', '1405', '2105', '2805', '3505'])"
    )
    session.execute(TIDY)
    gone = "select count(*) from retrieval.lexeme_statistics where lexeme = %s"
    assert value(session, gone, ["word5"]) == 0
    assert value(session, gone, ["word6"]) == 1
    session.execute("delete from retrieval.documents")
    session.execute(TIDY)
    assert value(session, "select count(*) from retrieval.lexeme_statistics") == 0
    assert session.execute(SEARCH, ["common"]).fetchall() == []


def collection_id(session: psycopg.Cursor) -> int:
    return value(session, "select collection_id from retrieval.collections where name = 'c'")


def test_pending_lists_are_emptied_and_tables_analyzed(session: psycopg.Cursor) -> None:
    number = collection_id(session)
    indexes = column(session, INDEXES, [f"retrieval.chunks_{number}"])
    assert len(indexes) == 2
    pending = [f"select gin_clean_pending_list('{index}')" for index in indexes]
    put(session, "c", {"document_key": "new", "content": "fresh words", "metadata": {"a": 1}})
    session.execute(TIDY)
    assert [value(session, statement) for statement in pending] == [0, 0]
    put(session, "c", {"document_key": "newer", "content": "fresh words", "metadata": {"a": 1}})
    assert all(value(session, statement) > 0 for statement in pending)
    analyzed = "select reltuples from pg_class where oid = %s::regclass"
    for table in ("documents", "chunks", "chunk_statistics", "lexeme_statistics"):
        assert value(session, analyzed, [f"retrieval.{table}_{number}"]) > 0, table


def test_the_ranking_uses_the_lexemes_index(session: psycopg.Cursor) -> None:
    session.execute(TIDY)
    number = collection_id(session)
    statement = value(
        session,
        """select retrieval._keyword_statement(
               %s, '''word7'' | ''word8''', array['''word7''', '''word8'''], array[1.0, 1.0],
               4, array[1.0, 1.0, 1.0], array[1.2, 0.75], null, null)""",
        [number],
    )
    statement = statement.replace("$1", "'{0.3, 0.7}'::float8[]").replace("$2", "10")
    plan = "\n".join(column(session, f"explain {statement}"))
    assert f"chunks_{number}_lexemes_idx" in plan
    assert "Seq Scan" not in plan


def test_again_and_on_nothing(session: psycopg.Cursor) -> None:
    session.execute(TIDY)
    counted = session.execute(LEXEME_ROWS).fetchone()
    session.execute(TIDY)
    assert session.execute(LEXEME_ROWS).fetchone() == counted
    session.execute("select retrieval.create_collection('empty')")
    session.execute("select retrieval.tidy_collection('empty')")
    assert failure(session, "select retrieval.tidy_collection('x')").sqlstate == "42704"


def test_a_writer_beside_it_is_not_lost(connect: Callable[..., psycopg.Connection]) -> None:
    session, writer = connect(), connect()
    session.execute("select retrieval.create_collection('c')")
    for key in "ab":
        put(session, "c", {"document_key": key, "content": "early"})
    with writer.transaction():
        put(writer, "c", {"document_key": "late", "content": "early late"})
        session.execute(TIDY)
    assert session.execute("select * from retrieval.statistics_drift('c')").fetchall() == []
    assert len(session.execute(SEARCH, ["early"]).fetchall()) == 3
