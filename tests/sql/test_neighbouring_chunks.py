"""Reading on from a hit."""

import psycopg
import pytest
from statements import column, failure, put

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

AROUND = "select position from retrieval.neighbouring_chunks(%s, %s, %s)"


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """The chunks of a document of five, between two other documents."""
    sql.execute("select retrieval.create_collection('c')")
    pieces = [{"content": f"piece {n}"} for n in range(5)]
    rows = put(sql, "c", *({"document_key": key, "chunks": pieces} for key in "abd"))
    return [row.chunk_id for row in rows if row.document_key == "b"]


@pytest.mark.parametrize(
    ("anchor", "before", "after", "found"),
    [
        (2, 1, 1, [1, 2, 3]),
        (2, 0, 0, [2]),
        (0, 2, 1, [0, 1]),
        (4, 1, 9, [3, 4]),
        (2, 2**31 - 1, 2**31 - 1, [0, 1, 2, 3, 4]),
        (2, 0, 2, [2, 3, 4]),
    ],
)
def test_in_order(
    sql: psycopg.Cursor, chunks: list[int], anchor: int, before: int, after: int, found: list[int]
) -> None:
    assert column(sql, AROUND, [chunks[anchor], before, after]) == found


def test_whole_rows_of_the_same_document(sql: psycopg.Cursor, chunks: list[int]) -> None:
    rows = sql.execute("select * from retrieval.neighbouring_chunks(%s)", [chunks[1]]).fetchall()
    assert [(row.chunk_id, row.content) for row in rows] == [
        (chunks[n], f"piece {n}") for n in range(3)
    ]


def test_positions_may_have_gaps(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute("delete from retrieval.chunks where chunk_id = %s", [chunks[3]])
    assert column(sql, AROUND, [chunks[2], 0, 2]) == [2, 4]


def test_no_such_chunk(sql: psycopg.Cursor, chunks: list[int]) -> None:
    for nobody in (-1, 2**62, None):
        assert column(sql, AROUND, [nobody, 1, 1]) == []


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [(-1, 1, "before"), (1, -1, "after"), (None, 1, "before"), (1, None, "after")],
)
def test_unusable_counts(
    sql: psycopg.Cursor, chunks: list[int], before: int | None, after: int | None, named: str
) -> None:
    error = failure(sql, AROUND, [chunks[0], before, after])
    assert error.sqlstate == "22023"
    assert named in str(error).splitlines()[0]
