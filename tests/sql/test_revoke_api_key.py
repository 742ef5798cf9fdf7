"""Keys to the service that are ended, and used."""

from collections.abc import Callable

import psycopg
import pytest
from statements import failure, value
from test_create_api_key import ID, create

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

REVOKE = "select retrieval.revoke_api_key(%s)"
RECORD = "select retrieval.record_api_key_use(%s)"
LAST_USE = "select last_used_at from retrieval.find_api_key(%s)"


def test_a_key_stays_revoked_since_the_first_time(
    connect: Callable[..., psycopg.Connection],
) -> None:
    session = connect()
    create(session, ", requests_per_minute => 5")
    since = value(session, REVOKE, [ID])
    assert since is not None
    assert value(session, REVOKE, [ID]) == since
    assert value(session, "select revoked_at from retrieval.list_api_keys()") == since


def test_only_the_key_named_is_revoked(sql: psycopg.Cursor) -> None:
    create(sql)
    create(sql, api_key_id="aaaaaaaaaaaa")
    sql.execute(REVOKE, [ID])
    statement = "select revoked_at from retrieval.find_api_key('aaaaaaaaaaaa')"
    assert value(sql, statement) is None


@pytest.mark.parametrize("api_key_id", [None, "", "retrieval_abcdefghij27_s3cr3t"])
def test_an_id_that_no_key_has_is_not_repeated(sql: psycopg.Cursor, api_key_id: str | None) -> None:
    error = failure(sql, REVOKE, [api_key_id])
    assert "no API key has this id" in str(error) and error.sqlstate == "42704"
    assert "s3cr3t" not in str(error)


@pytest.mark.parametrize(
    ("before", "written"), [("null", True), ("61 seconds", True), ("59 seconds", False)]
)
def test_a_use_is_noted_once_a_minute(sql: psycopg.Cursor, before: str, written: bool) -> None:
    create(sql)
    if before != "null":
        sql.execute(f"update retrieval.api_keys set last_used_at = now() - interval '{before}'")
    sql.execute(RECORD, [ID])
    assert value(sql, f"select ({LAST_USE}) = now()", [ID]) is written


def test_a_use_of_no_key_is_nothing(sql: psycopg.Cursor) -> None:
    sql.execute(RECORD, ["nobody"])
    assert value(sql, "select count(*) from retrieval.api_keys") == 0
