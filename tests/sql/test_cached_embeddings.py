"""The embedding cache: what was embedded once is not embedded again."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, value, wait_until_blocked

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

Session = psycopg.Cursor | psycopg.Connection
SIGNATURE = {"model": "m", "pooling": "mean"}
CACHE = "select retrieval.cache_embeddings(%s, %s, %s::halfvec[])"
CACHE_TOKENS = "select retrieval.cache_token_embeddings(%s, %s, %s, %s::halfvec[])"
READ = """select text_hash, embedding::text, sparse_embedding::text, token_embeddings::text[]
          from retrieval.cached_embeddings(%s, %s)"""
AGE = "update retrieval.embedding_cache set used_at = now() - %s::interval"


def hashes(*texts: str) -> list[bytes]:
    return [hashlib.sha256(text.encode()).digest() for text in texts]


def cache(session: Session, texts: Sequence[str], signature: dict | None = None) -> None:
    """Cache [1,1], [2,1], … for texts."""
    embeddings = [f"[{n},1]" for n in range(1, len(texts) + 1)]
    session.execute(CACHE, [Jsonb(signature or SIGNATURE), hashes(*texts), embeddings])


def read(session: Session, *texts: str, signature: dict | None = None) -> dict[bytes, Any]:
    """What the cache holds of texts, whichever kind it is."""
    rows = session.execute(READ, [Jsonb(signature or SIGNATURE), hashes(*texts)]).fetchall()
    assert all(len([each for each in row[1:] if each is not None]) == 1 for row in rows)
    return {row[0]: row[1] or row[2] or row[3] for row in rows}


def kept(session: Session) -> list[bytes]:
    return column(session, "select text_hash from retrieval.embedding_cache order by text_hash")


@pytest.mark.parametrize(
    ("statement", "arguments", "expected"),
    [
        (CACHE, [["[1,0]", "[0,2]"]], ["[1,0]", "[0,2]"]),
        (
            "select retrieval.cache_sparse_embeddings(%s, %s, %s::sparsevec[])",
            [["{1:1}/9", "{}/9"]],
            ["{1:1}/9", "{}/9"],
        ),
        (CACHE_TOKENS, [[1, 2], ["[1,0]", "[2,0]", "[3,0]"]], [["[1,0]"], ["[2,0]", "[3,0]"]]),
    ],
)
def test_there_and_back(
    sql: psycopg.Cursor, statement: str, arguments: list, expected: list
) -> None:
    sql.execute(statement, [Jsonb(SIGNATURE), hashes("a", "b"), *arguments])
    assert read(sql, "b", "a", "c") == dict(zip(hashes("a", "b"), expected, strict=True))
    assert read(sql, "c") == {}
    assert read(sql) == {}


def test_nothing_to_cache(sql: psycopg.Cursor) -> None:
    sql.execute(CACHE, [Jsonb(SIGNATURE), [], []])
    sql.execute(CACHE_TOKENS, [Jsonb(SIGNATURE), [], [], []])
    assert kept(sql) == []


def test_another_signature_is_another_embedding(sql: psycopg.Cursor) -> None:
    cache(sql, ["a"])
    cache(sql, ["x", "a"], {"model": "other", "pooling": "mean"})
    assert read(sql, "a") == {hashes("a")[0]: "[1,1]"}
    assert read(sql, "a", signature={"model": "other", "pooling": "mean"}) == {
        hashes("a")[0]: "[2,1]"
    }
    assert read(sql, "a", signature={"model": "m"}) == {}
    # a signature is a JSON object: the order of its keys says nothing
    assert read(sql, "a", signature={"pooling": "mean", "model": "m"}) == read(sql, "a")


def test_what_is_there_stays(sql: psycopg.Cursor) -> None:
    cache(sql, ["a", "b"])
    cache(sql, ["b", "c"])
    found = dict(zip(hashes("a", "b", "c"), ["[1,1]", "[2,1]", "[2,1]"], strict=True))
    assert read(sql, "a", "b", "c") == found


def test_the_same_text_twice(sql: psycopg.Cursor) -> None:
    cache(sql, ["a", "b", "a"])
    assert kept(sql) == sorted(hashes("a", "b"))


@pytest.mark.parametrize(
    ("statement", "arguments", "named"),
    [
        (CACHE, [["[1,0]"]], "embedding_cache_embedding_check"),
        (CACHE, [["[1,0]", None]], "embedding_cache_embedding_check"),
        (CACHE, [["[1,0]"] * 3], "text_hash"),
        (CACHE_TOKENS, [[1, 2], ["[1,0]"] * 2], "add up to the 2 embeddings"),
        (CACHE_TOKENS, [[1, 2], ["[1,0]"] * 4], "add up to the 4 embeddings"),
        (CACHE_TOKENS, [[2, 0], ["[1,0]"] * 2], "numbers from 1"),
    ],
)
def test_what_does_not_fit(
    sql: psycopg.Cursor, statement: str, arguments: list, named: str
) -> None:
    error = failure(sql, statement, [Jsonb(SIGNATURE), hashes("a", "b"), *arguments])
    assert error.sqlstate[:2] in ("22", "23")
    assert named in str(error)
    assert kept(sql) == []


# When it was used


@pytest.mark.parametrize(("age", "touched"), [("50 minutes", False), ("70 minutes", True)])
def test_use_is_noted_to_the_hour(sql: psycopg.Cursor, age: str, touched: bool) -> None:
    cache(sql, ["a", "b"])
    sql.execute(AGE, [age])
    read(sql, "a")
    recent = "select text_hash from retrieval.embedding_cache where used_at = now()"
    assert column(sql, recent) == (hashes("a") if touched else [])


def test_trimming_keeps_what_was_used_last(sql: psycopg.Cursor) -> None:
    texts = [str(n) for n in range(20)]
    for age, text in enumerate(texts):
        cache(sql, [text])
        sql.execute(AGE + " where text_hash = %s", [f"{age} hours", hashes(text)[0]])
    trim = "select retrieval.trim_embedding_cache(%s)"
    assert value(sql, trim, [20 * 150]) == 0
    size = "select 100 + max(pg_column_size(embedding)) from retrieval.embedding_cache"
    each = value(sql, size)
    assert value(sql, trim, [10 * each + 1]) == 10
    assert kept(sql) == sorted(hashes(*texts[:10]))
    read(sql, "9")  # the oldest becomes the youngest
    assert value(sql, trim, [each]) == 9
    assert kept(sql) == hashes("9")
    assert value(sql, trim, [0]) == 1
    assert kept(sql) == []
    assert value(sql, trim, [0]) == 0


# Side by side


@pytest.fixture
def sessions(connect: Callable[..., psycopg.Connection]) -> list[psycopg.Connection]:
    """Four sessions on a database whose cache holds a and b, used long ago."""
    opened = [connect() for _ in range(4)]
    cache(opened[0], ["a", "b"])
    opened[0].execute(AGE, ["2 hours"])
    return opened


def test_two_writers_in_opposite_orders(sessions: list[psycopg.Connection]) -> None:
    holder, first, second, observer = sessions
    texts = [*"abcdefgh"]
    with ThreadPoolExecutor(2) as threads:
        with holder.transaction():
            cache(holder, texts[3:5])
            writing = []
            for session, order in ((first, texts), (second, texts[::-1])):
                writing.append(threads.submit(cache, session, order))
                wait_until_blocked(observer, session)
        for result in writing:
            result.result()
    assert kept(observer) == sorted(hashes(*texts))


def test_reading_and_trimming_wait_for_nobody(sessions: list[psycopg.Connection]) -> None:
    holder, reader = sessions[:2]
    reader.execute("set lock_timeout = '500ms'")
    with holder.transaction():
        cache(holder, ["a"])
        assert len(read(reader, "a", "b")) == 2
        used = (
            "select count(*) from retrieval.embedding_cache where used_at > now() - '1 h'::interval"
        )
        assert value(reader, used) == 1
        # what is in use stays for the next time
        assert value(reader, "select retrieval.trim_embedding_cache(0)") == 1
    assert kept(reader) == hashes("a")
