"""What every function that takes a ranking says of one that is none."""

from itertools import product

import numpy as np
import psycopg
import pytest
from statements import failure, put
from vectors import fill

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

FUNCTIONS = ["diversify", "collapse_duplicates", "passages"]


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("array[%(a)s, %(b)s], '{1}'", "22023", "there are 2 chunk_ids and 1 scores"),
        ("null, '{1}'", "22023", "there are 0 chunk_ids and 1 scores"),
        ("array[%(a)s], '{}'", "22023", "there are 1 chunk_ids and 0 scores"),
        ("array[%(a)s, null], '{2,1}'", "22004", "chunk_ids must not contain null"),
        ("array[%(a)s, %(b)s, %(a)s], '{3,2,1}'", "22023", "chunk %(a)s is given twice"),
        (
            "array[%(a)s, %(b)s], '{1,null}'",
            "22023",
            "the score of chunk %(b)s must be a number up to 1e100, not null",
        ),
        ("array[%(a)s], '{NaN}'", "22023", "the score of chunk %(a)s must be a number"),
        ("array[%(a)s], '{-infinity}'", "22023", "not -Infinity"),
        ("array[%(a)s], '{1e101}'", "22023", "up to 1e100"),
        ("array[%(a)s, 999999], '{2,1}'", "42704", "chunk 999999 does not exist in collection c"),
        ("array[%(other)s], '{1}'", "42704", "chunk %(other)s does not exist in collection c"),
    ],
)
def test_unusable_rankings(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    one, two = fill(sql, np.eye(2), index_method="none")
    sql.execute("select retrieval.create_collection('d')")
    (other,) = put(sql, "d", {"document_key": "x", "content": "x"})
    ids = {"a": one, "b": two, "other": other.chunk_id}
    for function in FUNCTIONS:
        error = failure(sql, f"select * from retrieval.{function}('c', {arguments % ids})")
        assert error.sqlstate == sqlstate
        assert message % ids in error.diag.message_primary


def test_scores_must_be_given(sql: psycopg.Cursor) -> None:
    """Except to passages, which then keep the order of the ids."""
    chunks = fill(sql, np.eye(2), index_method="none")
    for function in ("diversify", "collapse_duplicates"):
        error = failure(sql, f"select * from retrieval.{function}('c', %s, null)", [chunks])
        assert "there are 2 chunk_ids and 0 scores" in error.diag.message_primary


def test_nothing_is_ranked(sql: psycopg.Cursor) -> None:
    fill(sql, np.eye(2), index_method="none")
    for function, nothing in product(FUNCTIONS, ["'{}', '{}'", "null, null", "'{}', null"]):
        found = sql.execute(f"select * from retrieval.{function}('c', {nothing})").fetchall()
        assert found == []


def test_no_such_collection(sql: psycopg.Cursor) -> None:
    for function, name in product(FUNCTIONS, ["nowhere", None]):
        error = failure(sql, f"select * from retrieval.{function}(%s, '{{}}', '{{}}')", [name])
        assert error.sqlstate == "42704"
        assert error.diag.message_primary == f"collection {name or 'null'} does not exist"
