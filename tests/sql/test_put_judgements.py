"""Golden sets: queries and judgements by version, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from statements import column, failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

QUERIES = "select * from retrieval.golden_queries('c', 'g'{})"
JUDGEMENTS = "select query_key, document_key, grade, judge from retrieval.judgements('c', 'g'{})"


@pytest.fixture
def golden(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c of documents a, b and c, with an empty golden set g."""
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", *({"document_key": key, "content": key} for key in "abc"))
    sql.execute("select retrieval.create_golden_set('c', 'g', description => 'of ours')")
    return sql


def put_queries(sql: psycopg.Cursor, **texts: str) -> int:
    given = [{"query_key": key, "query_text": text} for key, text in texts.items()]
    return value(sql, "select retrieval.put_golden_queries('c', 'g', %s)", [json.dumps(given)])


def judge(
    sql: psycopg.Cursor, *given: tuple[str, str, int | None], judge: str | None = None
) -> int:
    rows = [dict(zip(("query_key", "document_key", "grade"), row, strict=True)) for row in given]
    called = "select retrieval.put_judgements('c', 'g', %s, %s)"
    return value(sql, called, [json.dumps(rows), judge])


def rows(sql: psycopg.Cursor, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in sql.execute(statement).fetchall()]


def test_every_version_can_be_read_again(golden: psycopg.Cursor) -> None:
    assert put_queries(golden, one="first", two="second") == 1
    assert judge(golden, ("one", "a", 1), ("one", "b", 3), ("two", "c", 0)) == 2
    assert judge(golden, ("one", "a", 2), ("two", "c", None), judge="ann") == 3
    assert put_queries(golden, one="changed", three="third") == 4
    deleted = "select retrieval.delete_golden_queries('c', 'g', '{one}')"
    assert value(golden, deleted) == 5
    first = [("one", "b", 3, None), ("one", "a", 1, None), ("two", "c", 0, None)]
    second = [("one", "b", 3, None), ("one", "a", 2, "ann")]
    assert rows(golden, JUDGEMENTS.format(", 2")) == first
    assert rows(golden, JUDGEMENTS.format(", 3")) == second
    assert rows(golden, JUDGEMENTS.format(", 4")) == second
    assert rows(golden, JUDGEMENTS.format("")) == []
    assert rows(golden, QUERIES.format(", 0")) == []
    assert rows(golden, QUERIES.format(", 3")) == [("one", "first"), ("two", "second")]
    assert rows(golden, QUERIES.format(", 4"))[0] == ("one", "changed")
    assert column(golden, QUERIES.format("")) == ["three", "two"]
    # a query that comes back does not bring its judgements along
    assert put_queries(golden, one="first") == 6
    assert rows(golden, JUDGEMENTS.format("")) == []
    for wrong in (-1, 7):
        message = f"golden set g has no version {wrong}; the newest is 6"
        assert message in str(failure(golden, QUERIES.format(f", {wrong}")))


def test_what_changes_nothing_makes_no_version(golden: psycopg.Cursor) -> None:
    assert put_queries(golden, one="first") == put_queries(golden, one="first") == 1
    assert judge(golden, ("one", "a", 1), judge="ann") == 2
    assert judge(golden, ("one", "a", 1)) == judge(golden, ("one", "b", None)) == 2
    assert judge(golden, ("one", "a", 1), judge="bob") == 3


def test_the_list_counts_what_there_is_now(golden: psycopg.Cursor) -> None:
    put_queries(golden, one="first", two="second")
    judge(golden, ("one", "a", 1))
    judge(golden, ("one", "a", 2))
    golden.execute("select retrieval.create_golden_set('c', 'd', 'synthetic')")
    listed = """select name, origin, description, version, queries, judgements
                from retrieval.list_golden_sets('c')"""
    assert rows(golden, listed) == [
        ("d", "synthetic", None, 0, 0, 0),
        ("g", "human", "of ours", 3, 2, 1),
    ]
    golden.execute("select retrieval.drop_golden_set('c', 'd')")
    assert column(golden, listed) == ["g"]
    golden.execute("select retrieval.drop_collection('c')")
    left = (
        "select (select count(*) from retrieval.golden_sets) + count(*) from retrieval.judgements"
    )
    assert value(golden, left) == 0


def test_a_query_is_added_once_under_a_key_of_its_own(golden: psycopg.Cursor) -> None:
    add = "select retrieval.add_golden_query('c', 'g', %s)"
    put_queries(golden, **{"7": "seventh", "q1": "named"})
    assert [value(golden, add, [text]) for text in ("new", "named", "new")] == ["8", "q1", "8"]
    golden.execute("select retrieval.delete_golden_queries('c', 'g', '{8}')")
    assert value(golden, add, ["newer"]) == "9"
    assert "query '10' has no text" in str(failure(golden, add, [" "]))


def test_an_existing_set_is_taken_where_that_is_said(golden: psycopg.Cursor) -> None:
    create = "select retrieval.create_golden_set('c', 'g'{})"
    assert failure(golden, create.format("")).sqlstate == "42710"
    golden.execute(create.format(", if_not_exists => true"))
    mixed = failure(golden, create.format(", 'clicks', if_not_exists => true"))
    assert "golden set g is human, not clicks" in str(mixed)
    for wrong, message in (
        ("'c', 'a/b'", "golden set name 'a/b' is not usable"),
        ("'c', 'h', 'machine'", "origin must be one of human, synthetic, clicks"),
        ("'d', 'h'", "collection d does not exist"),
    ):
        assert message in str(failure(golden, f"select retrieval.create_golden_set({wrong})"))


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ("[]", "at least one object"),
        ("{}", "at least one object"),
        ('["one"]', 'must be an object with the texts "query_key" and "query_text"'),
        ('[{"query_key": 1, "query_text": "a"}]', "must be an object with the texts"),
        ('[{"query_key": "one", "query_text": " \\n"}]', "query 'one' has no text"),
        ('[{"query_key": "a\\tb", "query_text": "a"}]', "no control character"),
        (
            '[{"query_key": "x", "query_text": "a"}, {"query_key": "x", "query_text": "b"}]',
            "query_key is given twice: 'x'",
        ),
        ('[{"query_key": "x", "query_text": "old"}]', "queries 'one', 'x' have the same text: old"),
        (
            '[{"query_key": "x", "query_text": "n"}, {"query_key": "y", "query_text": "n"}]',
            "queries 'x', 'y' have the same text: n",
        ),
    ],
)
def test_queries_that_are_refused(golden: psycopg.Cursor, queries: str, message: str) -> None:
    put_queries(golden, one="old")
    refused = failure(golden, "select retrieval.put_golden_queries('c', 'g', %s)", [queries])
    assert refused.sqlstate == "22023" and message in str(refused)
    assert rows(golden, QUERIES.format("")) == [("one", "old")]


def one(**changes: object) -> dict[str, object]:
    return {"query_key": "one", "document_key": "a", "grade": 1, **changes}


@pytest.mark.parametrize(
    ("judgements", "message"),
    [
        ([], "at least one object"),
        ([{"query_key": "one", "document_key": "a"}], 'with "query_key", "document_key" and'),
        ([one(), one(grade=2)], "document 'a' is judged twice for query 'one'"),
        ([one(), one(query_key="two")], "golden set g has no query 'two'"),
        (
            [one(), *(one(document_key=f"x{number}") for number in range(5))],
            "judged, but not in collection c: documents 'x0', 'x1', 'x2' and 2 more",
        ),
        *(
            ([one(grade=grade)], "the grade of document 'a' for query 'one' must be a whole number")
            for grade in (1.5, "1", True, 101, -11, 10**20)
        ),
    ],
)
def test_judgements_that_are_refused(
    golden: psycopg.Cursor, judgements: list[dict[str, object]], message: str
) -> None:
    put_queries(golden, one="old")
    called = "select retrieval.put_judgements('c', 'g', %s)"
    refused = failure(golden, called, [json.dumps(judgements)])
    assert refused.sqlstate == "22023" and message in str(refused)
    assert rows(golden, JUDGEMENTS.format("")) == []
    assert value(golden, "select version from retrieval.list_golden_sets('c')") == 1


def test_what_is_deleted_must_be_there(golden: psycopg.Cursor) -> None:
    delete = "select retrieval.delete_golden_queries('c', 'g', %s)"
    assert "at least one query" in str(failure(golden, delete, [[]]))
    assert "golden set g has no query 'x'" in str(failure(golden, delete, [["x"]]))
    missing = failure(golden, "select retrieval.drop_golden_set('c', 'h')")
    assert missing.sqlstate == "42704"
    assert "golden set h does not exist in collection c" in str(missing)


def test_the_judgement_of_a_deleted_document_stays(golden: psycopg.Cursor) -> None:
    put_queries(golden, one="old")
    judge(golden, ("one", "a", 1))
    golden.execute("select retrieval.delete_documents('c', '{a}')")
    assert rows(golden, JUDGEMENTS.format("")) == [("one", "a", 1, None)]
    assert judge(golden, ("one", "a", None)) == 3


def test_a_tenant_has_golden_sets_of_its_own(golden: psycopg.Cursor) -> None:
    put_queries(golden, one="old")
    golden.execute("set local retrieval.tenant = 'acme'")
    assert "does not exist" in str(failure(golden, QUERIES.format("")))
    golden.execute("select retrieval.create_golden_set('c', 'g')")
    assert put_queries(golden, one="theirs") == 1
    refused = failure(
        golden, "select retrieval.put_judgements('c', 'g', %s)", [json.dumps([one()])]
    )
    assert "not in collection c: document 'a'" in str(refused)
    golden.execute("set local retrieval.tenant = ''")
    assert rows(golden, QUERIES.format("")) == [("one", "old")]


def test_writers_queue(connect: Callable[..., psycopg.Connection]) -> None:
    first, second = connect(), connect(lock_timeout="100ms")
    first.execute("select retrieval.create_collection('c')")
    first.execute("select retrieval.create_golden_set('c', 'g')")
    add = "select retrieval.add_golden_query('c', 'g', %s)"
    with first.transaction():
        first.execute(add, ["one"])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute(add, ["two"])
    found = second.execute(add, ["two"]).fetchone()
    assert found is not None and found[0] == "2"
