"""The cache of contexts: what a language model wrote of a chunk is not asked for again."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from statements import column, value, wait_until_blocked

CACHE = "select retrieval.cache_contexts(%s, %s)"
AGE = "update retrieval.context_cache set used_at = now() - %s::interval"


def digests(*texts: str) -> list[bytes]:
    return [hashlib.sha256(text.encode()).digest() for text in texts]


def cache(session: psycopg.Cursor | psycopg.Connection, **contexts: str) -> None:
    session.execute(CACHE, [digests(*contexts), list(contexts.values())])


def read(session: psycopg.Cursor | psycopg.Connection, *texts: str) -> dict[bytes, str]:
    statement = "select * from retrieval.cached_contexts(%s)"
    return {row[0]: row[1] for row in session.execute(statement, [digests(*texts)]).fetchall()}


def test_there_and_back(sql: psycopg.Cursor) -> None:
    cache(sql, a="Of the keys.", b="")
    assert read(sql, "b", "c", "a") == dict(
        zip(digests("a", "b"), ["Of the keys.", ""], strict=True)
    )
    assert read(sql) == {}
    sql.execute(CACHE, [[], []])


def test_what_was_written_first_stays(sql: psycopg.Cursor) -> None:
    cache(sql, a="first")
    sql.execute(CACHE, [digests("a", "b", "b"), ["second", "other", "other"]])
    assert list(read(sql, "a", "b").values()).count("first") == 1
    assert value(sql, "select count(*) from retrieval.context_cache") == 2


def test_what_is_read_stays_when_the_rest_is_trimmed(sql: psycopg.Cursor) -> None:
    cache(sql, a="1", b="2", c="3")
    sql.execute(AGE, ["10 days"])
    read(sql, "b")
    cache(sql, c="3")
    assert value(sql, "select retrieval.trim_context_cache('9 days')") == 1
    assert sorted(column(sql, "select context from retrieval.context_cache")) == ["2", "3"]
    assert value(sql, "select retrieval.trim_context_cache()") == 2
    assert value(sql, "select retrieval.trim_context_cache()") == 0


def test_a_cache_that_is_read_often_is_not_written_as_often(sql: psycopg.Cursor) -> None:
    cache(sql, a="1")
    sql.execute(AGE, ["1 hour"])
    before = value(sql, "select used_at from retrieval.context_cache")
    read(sql, "a")
    assert value(sql, "select used_at from retrieval.context_cache") == before


def test_two_writers_in_opposite_orders(connect: Callable[..., psycopg.Connection]) -> None:
    holder, first, second, observer = (connect() for _ in range(4))
    texts = dict.fromkeys("abcdefgh", "x")
    with ThreadPoolExecutor(2) as threads:
        with holder.transaction():
            cache(holder, d="x", e="x")
            writing = []
            for session, order in ((first, [*texts]), (second, [*texts][::-1])):
                writing.append(threads.submit(cache, session, **dict.fromkeys(order, "x")))
                wait_until_blocked(observer, session)
        for result in writing:
            result.result()
    assert read(observer, *texts).keys() == set(digests(*texts))
