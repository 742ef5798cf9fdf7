"""How a collection's documents are cut, as it is stored."""

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import failure, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

STORED = "select settings -> 'chunking' from retrieval.collections where name = 'c'"
SET = "select retrieval.set_chunking('c', %s)"


@pytest.mark.parametrize(
    "chunking",
    [
        {},
        {"strategy": "whole"},
        {"strategy": "sentence", "maximum_tokens": 200, "overlap_tokens": 20},
        {"overlap_tokens": 0},
        {"strategy": "semantic", "breakpoint_percentile": 92.5, "maximum_tokens": 1000000},
    ],
)
def test_it_is_kept_beside_other_settings(sql: psycopg.Cursor, chunking: dict[str, object]) -> None:
    sql.execute("select retrieval.create_collection(name) from unnest('{c,d}'::text[]) name")
    sql.execute("select retrieval.set_field_weights('c', '{\"title\": 2}')")
    sql.execute(SET, [Jsonb({"strategy": "fixed", "maximum_tokens": 7})])
    sql.execute(SET, [Jsonb(chunking)])
    assert value(sql, STORED) == chunking
    settings = "select settings from retrieval.collections where name = %s"
    assert value(sql, settings, ["d"]) == {}
    sql.execute("select retrieval.set_chunking('c')")
    assert value(sql, settings, ["c"]) == {"field_weights": {"title": 2}}


@pytest.mark.parametrize("path", ["pg_catalog", "public, retrieval"])
def test_the_search_path_does_not_matter(sql: psycopg.Cursor, path: str) -> None:
    sql.execute(f"set local search_path = {path}")
    sql.execute("select retrieval.create_collection('c')")
    sql.execute(SET, [Jsonb({"strategy": "whole"})])
    assert value(sql, STORED) == {"strategy": "whole"}


@pytest.mark.parametrize(
    ("chunking", "message"),
    [
        ("[]", "chunking must be an object such as"),
        ("null", "chunking must be an object such as"),
        ('{"size": 1}', "chunking: option must be one of strategy, maximum_tokens,"),
        ('{"strategy": "words"}', "chunking: strategy must be one of auto, fixed, recursive,"),
        ('{"strategy": null}', "chunking: strategy must be one of auto,"),
        ('{"strategy": 1}', "not '1'"),
        ('{"maximum_tokens": 0}', "maximum_tokens must be a whole number from 1 to 1000000, not 0"),
        ('{"maximum_tokens": 1000001}', "from 1 to 1000000, not 1000001"),
        ('{"maximum_tokens": 1.5}', "must be a whole number from 1 to 1000000, not 1.5"),
        ('{"maximum_tokens": 100.0}', "must be a whole number from 1 to 1000000, not 100.0"),
        ('{"maximum_tokens": "9"}', 'must be a whole number from 1 to 1000000, not "9"'),
        ('{"maximum_tokens": null}', "must be a whole number from 1 to 1000000, not null"),
        ('{"overlap_tokens": -1}', "overlap_tokens must be a whole number from 0 to 1000000"),
        (
            '{"maximum_tokens": 9, "overlap_tokens": 9}',
            "overlap_tokens must be less than maximum_tokens, 9, not 9",
        ),
        ('{"breakpoint_percentile": 0}', "must be a number between 0 and 100, not 0"),
        ('{"breakpoint_percentile": 100}', "must be a number between 0 and 100, not 100"),
        ('{"breakpoint_percentile": "90"}', 'must be a number between 0 and 100, not "90"'),
    ],
)
def test_unusable_chunking(sql: psycopg.Cursor, chunking: str, message: str) -> None:
    sql.execute("select retrieval.create_collection('c')")
    sql.execute(SET, ['{"strategy": "whole"}'])
    error = failure(sql, SET, [chunking])
    assert error.sqlstate == "22023"
    assert message in error.diag.message_primary
    assert value(sql, STORED) == {"strategy": "whole"}


@pytest.mark.parametrize("collection", ["x", None])
def test_a_collection_that_does_not_exist(sql: psycopg.Cursor, collection: str | None) -> None:
    error = failure(sql, "select retrieval.set_chunking(%s, '{}')", [collection])
    assert error.sqlstate == "42704"
