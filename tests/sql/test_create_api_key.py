"""Keys to the service as they are stored, listed and found."""

import psycopg
import pytest
from statements import column, failure, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
CREATE = "select retrieval.create_api_key(%s, %s, 'website'"
ID = "abcdefghij27"
FOUND = "select * from retrieval.find_api_key(%s)"


@pytest.fixture
def collections(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection(name) from unnest('{a,b}'::text[]) name")


def create(sql: psycopg.Cursor, arguments: str = "", api_key_id: str = ID) -> None:
    sql.execute(f"{CREATE}{arguments})", [api_key_id, HASH])


def test_a_key_reads_everything_unless_told_otherwise(sql: psycopg.Cursor) -> None:
    create(sql)
    (found,) = sql.execute(FOUND, [ID]).fetchall()
    assert (found.key_hash, found.name, found.scopes) == (HASH, "website", ["read"])
    assert (found.collections, found.tenant, found.requests_per_minute) == (None, "", None)
    assert found.expires_at is found.revoked_at is found.last_used_at is None
    assert not sql.execute(FOUND, ["abcdefghij22"]).fetchall()


def test_everything_that_a_key_can_be(sql: psycopg.Cursor, collections: None) -> None:
    create(
        sql,
        ", scopes => '{write,read,write}', collections => '{b,a,b}', tenant => 'acme',"
        " requests_per_minute => 600, expires_at => now() + interval '1 day'",
    )
    (found,) = sql.execute(FOUND, [ID]).fetchall()
    assert (found.scopes, found.collections) == (["read", "write"], ["a", "b"])
    assert (found.tenant, found.requests_per_minute) == ("acme", 600)
    expiry = "select expires_at = now() + interval '1 day' from retrieval.find_api_key(%s)"
    assert value(sql, expiry, [ID])


def test_the_list_says_everything_but_the_hash(sql: psycopg.Cursor, collections: None) -> None:
    create(sql, ", collections => '{a}'")
    create(sql, ", scopes => '{admin}'", "aaaaaaaaaaaa")
    listed = sql.execute("select * from retrieval.list_api_keys()").fetchall()
    assert [(row.api_key_id, row.scopes, row.collections) for row in listed] == [
        ("aaaaaaaaaaaa", ["admin"], None),
        (ID, ["read"], ["a"]),
    ]
    assert HASH not in repr(listed)


def test_a_grant_follows_its_collection_and_ends_with_it(
    sql: psycopg.Cursor, collections: None
) -> None:
    create(sql, ", collections => '{a}'")
    granted = "select collections from retrieval.find_api_key(%s)"
    sql.execute("update retrieval.collections set name = 'renamed' where name = 'a'")
    assert value(sql, granted, [ID]) == ["renamed"]
    sql.execute("select retrieval.drop_collection('renamed')")
    assert value(sql, granted, [ID]) == []
    sql.execute("select retrieval.create_collection('a')")
    assert value(sql, granted, [ID]) == []
    assert column(sql, "select collections from retrieval.list_api_keys()") == [[]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("scopes => '{}'", "scopes must name"),
        ("scopes => null", "scopes must name"),
        ("scopes => '{read,owner}'", "scopes must be one of read, write, admin, not 'owner'"),
        ("scopes => '{null}'", "scopes must be one of"),
        ("collections => '{}'", "collections must name at least one"),
        ("collections => '{a}', scopes => '{read,admin}'", "scope admin is for all collections"),
        ("tenant => 'acme', scopes => '{admin}'", "scope admin is for all collections"),
        ("tenant => null", "tenant null is not usable"),
        ("tenant => repeat('ä', 101)", "is not usable: up to 200 bytes"),
        ("tenant => e'a\\nb'", "no control character"),
        ("requests_per_minute => 0", "requests_per_minute must be between 1 and 1000000"),
        ("expires_at => now()", "expires_at must be in the future"),
        ("name => ' a'", "key name ' a' is not usable"),
    ],
)
def test_arguments_that_do_not_fit(
    sql: psycopg.Cursor, collections: None, arguments: str, message: str
) -> None:
    named = arguments if "name =>" in arguments else f"name => 'website', {arguments}"
    statement = f"select retrieval.create_api_key('{ID}', '{HASH}', {named})"
    error = failure(sql, statement)
    assert message in str(error) and error.sqlstate == "22023"


def test_a_collection_that_does_not_exist(sql: psycopg.Cursor, collections: None) -> None:
    error = failure(sql, f"{CREATE}, collections => '{{a,c}}')", [ID, HASH])
    assert "collection c does not exist" in str(error) and error.sqlstate == "42704"


@pytest.mark.parametrize("api_key_id", [None, "", "abcdefghij2", "ABCDEFGHIJ27", "abcdefghij01"])
def test_an_id_of_another_form(sql: psycopg.Cursor, api_key_id: str | None) -> None:
    error = failure(sql, f"{CREATE})", [api_key_id, HASH])
    assert "api_key_id must be" in str(error) and error.sqlstate == "22023"


def test_the_secret_in_place_of_its_hash_is_refused_and_not_repeated(sql: psycopg.Cursor) -> None:
    error = failure(sql, f"{CREATE})", [ID, "s3cr3t"])
    assert "key_hash must be an argon2id hash" in str(error) and error.sqlstate == "22023"
    assert "s3cr3t" not in str(error)


def test_an_id_is_there_once(sql: psycopg.Cursor) -> None:
    create(sql)
    assert failure(sql, f"{CREATE})", [ID, HASH]).sqlstate == "23505"
