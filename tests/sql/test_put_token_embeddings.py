"""Several vectors for each chunk, one of each token."""

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, value
from vectors import create_space, put_chunks

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

PUT = "select retrieval.put_token_embeddings('c', 's', %s, %s, %s::halfvec[], %s)"
STORED = "select embeddings::text[] from retrieval.token_embeddings order by chunk_id"
INSERT = """insert into retrieval.token_embeddings
            select space_id, collection_id, %s, %s::halfvec[] from retrieval.spaces"""


@pytest.fixture
def chunks(sql: psycopg.Cursor) -> list[int]:
    """Three chunks of the collection c with the multivector space s."""
    chunks = put_chunks(sql, 3)
    create_space(sql, "s", 2, kind="multivector", signature={"model": "m"})
    return chunks


def test_each_chunk_gets_its_tokens(sql: psycopg.Cursor, chunks: list[int]) -> None:
    tokens = [f"[{n},1]" for n in range(6)]
    assert value(sql, PUT, [chunks, [1, 3, 2], tokens, None]) == 3
    assert column(sql, STORED) == [tokens[:1], tokens[1:4], tokens[4:]]
    reversed_ = [chunks[2], chunks[0]]
    assert value(sql, PUT, [reversed_, [1, 2], tokens[:3], Jsonb({"model": "m"})]) == 2
    assert column(sql, STORED) == [tokens[1:3], tokens[1:4], tokens[:1]]


def test_chunks_that_are_gone_are_passed_over(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute("select retrieval.delete_documents('c', array['00001'])")
    tokens = [f"[{n},1]" for n in range(6)]
    assert value(sql, PUT, [chunks, [1, 3, 2], tokens, None]) == 2
    assert column(sql, STORED) == [tokens[:1], tokens[4:]]
    assert value(sql, PUT, [[], [], [], None]) == 0


@pytest.mark.parametrize(
    ("counts", "tokens", "message"),
    [
        ([1, 1], ["[1,1]"] * 3, "3 chunk_ids and 2 token_counts"),
        ([1, 1, 1], ["[1,1]"] * 2, "add up to the 2 embeddings"),
        ([1, 1, 1], ["[1,1]"] * 4, "add up to the 4 embeddings"),
        ([1, 1, 1], [], "add up to the 0 embeddings"),
        ([2, 0, 1], ["[1,1]"] * 3, "numbers from 1"),
        ([4, -2, 1], ["[1,1]"] * 3, "numbers from 1"),
        ([1, None, 2], ["[1,1]"] * 3, "numbers from 1"),
        (None, ["[1,1]"] * 3, "3 chunk_ids and 0 token_counts"),
        ([1, 1, 1], None, "add up to the 0 embeddings"),
        ([1, 1, 1], ["[1,1]", "[1,1]", "[1]"], "embedding 3 has 1 dimensions, space s has 2"),
        ([1, 1, 1], ["[1,1]", "[0,0]", "[1,1]"], "embedding 2 is all zeros"),
    ],
)
def test_what_does_not_fit(
    sql: psycopg.Cursor,
    chunks: list[int],
    counts: list[int] | None,
    tokens: list[str] | None,
    message: str,
) -> None:
    error = failure(sql, PUT, [chunks, counts, tokens, None])
    assert error.sqlstate == "22023"
    assert message in error.diag.message_primary


def test_no_vector_where_one_should_be(sql: psycopg.Cursor, chunks: list[int]) -> None:
    error = failure(sql, PUT, [chunks, [1, 1, 1], ["[1,1]", "[1,1]", None], None])
    assert (error.sqlstate, error.diag.message_primary) == ("22004", "embedding 3 is null")
    assert failure(sql, PUT, [[None], [1], ["[1,1]"], None]).sqlstate == "22004"
    twice = [chunks[0], chunks[0]]
    assert "given twice" in str(failure(sql, PUT, [twice, [1, 1], ["[1,1]"] * 2, None]))


@pytest.mark.parametrize(
    "embeddings",
    [
        "{}",
        '{"[1]"}',
        '{"[1,1]","[1,1,1]"}',
        '{"[1,1]",null}',
        '{"[0,0]"}',
        '{{"[1,1]"},{"[1,1]"}}',
    ],
)
def test_plain_inserts_that_do_not_fit(
    sql: psycopg.Cursor, chunks: list[int], embeddings: str
) -> None:
    error = failure(sql, INSERT, [chunks[0], embeddings])
    assert error.sqlstate == "23514"
    assert error.diag.constraint_name == "embeddings_check"
    sql.execute(INSERT, [chunks[0], '{"[1,1]","[2,1]"}'])


def test_zeros_have_an_inner_product(sql: psycopg.Cursor, chunks: list[int]) -> None:
    sql.execute("select retrieval.drop_space('c', 's')")
    create_space(sql, "s", 2, kind="multivector", metric="inner_product")
    assert value(sql, PUT, [chunks, [1, 1, 1], ["[0,0]"] * 3, None]) == 3


def test_another_models_signature(sql: psycopg.Cursor, chunks: list[int]) -> None:
    error = failure(sql, PUT, [chunks[:1], [1], ["[1,1]"], Jsonb({"model": "other"})])
    assert error.sqlstate == "22023"
    assert error.diag.constraint_name == "space_signature"
