"""A text is cut where a reader would, and nothing of it is lost."""

import re
import time

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statements import column, failure

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

SPLIT = "select start_offset, end_offset, content from retrieval.split_text(%s, %s)"

# what cuts, what a cut must not touch, and characters of one to four bytes
PIECES = ["\n", "\n\n", "\r\n", " ", "\u3000", "\u00a0", ". ", "! ", ".", "\u3002", "\uff01\u300d"]
PIECES += ["a", "\u00e9", "\u4e66", "\U0001f600", "word ", "longerword", "\u4e66\u7c4d", "'", '"\\']


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    text=st.lists(st.sampled_from(PIECES), max_size=200).map("".join)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=700),
    maximum=st.integers(1, 40) | st.integers(200, 600),
)
def test_every_character_but_blanks_is_in_one_chunk(
    sql: psycopg.Cursor, text: str, maximum: int
) -> None:
    chunks = sql.execute(SPLIT, [text, maximum]).fetchall()
    end = 0
    for chunk in chunks:
        assert text[end : chunk.start_offset].strip() == ""
        assert chunk.content == text[chunk.start_offset : chunk.end_offset]
        assert chunk.content == chunk.content.strip() != ""
        assert len(chunk.content) <= maximum
        end = chunk.end_offset
    assert text[end:].strip() == ""


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(st.sampled_from(["a", "word", "\u00fcber", "fifteen_letters"]), max_size=300))
def test_a_word_is_cut_only_where_it_is_longer_than_a_chunk(
    sql: psycopg.Cursor, words: list[str]
) -> None:
    chunks = column(sql, SPLIT.replace("start_offset, end_offset, ", ""), [" ".join(words), 40])
    assert [word for chunk in chunks for word in chunk.split(" ")] == words
    assert all(len(chunk) > 20 for chunk in chunks[:-1])


@pytest.mark.parametrize(
    ("text", "maximum", "chunks"),
    [
        # a paragraph before a line, a line before a sentence, a sentence before a word
        (
            "one two six\n\nthree\nfour. five six",
            18,
            ["one two six", "three\nfour.", "five six"],
        ),
        ("one. two\nthree four. five six", 26, ["one. two\nthree four.", "five six"]),
        ("one. two\nthree four five six", 16, ["one. two", "three four five", "six"]),
        ("one two. three four", 14, ["one two.", "three four"]),
        ('He said "stop." Then left', 18, ['He said "stop."', "Then left"]),
        ("one two three", 9, ["one two", "three"]),
        ("one two three", 7, ["one two", "three"]),
        ("version 3.14159 is out", 16, ["version 3.14159", "is out"]),
        # sentences of Chinese and Japanese need no blank
        ("今日は晴れ。明日は雨です。", 8, ["今日は晴れ。", "明日は雨です。"]),
        ("他说「好。」然后走了", 8, ["他说「好。」", "然后走了"]),
        # a long word follows a short one, or has to be cut
        ("a bbbbbbbbbb", 10, ["a", "bbbbbbbbbb"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("  \n a \n ", 100, ["a"]),
        (" \n\t\u3000", 100, []),
        ("", 100, []),
        (None, 100, []),
    ],
)
def test_where_it_cuts(
    sql: psycopg.Cursor, text: str | None, maximum: int, chunks: list[str]
) -> None:
    assert [row.content for row in sql.execute(SPLIT, [text, maximum])] == chunks


@pytest.mark.parametrize("text", ["\u4e66" * 350_000, "a" * 1_000_000, "wort \u00fcber " * 90_000])
def test_a_megabyte(sql: psycopg.Cursor, text: str) -> None:
    started = time.perf_counter()
    chunks = [row.content for row in sql.execute(SPLIT, [text, 2000])]
    assert time.perf_counter() - started < 2  # 0.2 s where nothing else runs
    assert re.sub(r"\s", "", "".join(chunks)) == re.sub(r"\s", "", text)
    assert max(map(len, chunks)) <= 2000


@pytest.mark.parametrize("maximum", [0, -1, 100_001, None])
def test_unusable_lengths(sql: psycopg.Cursor, maximum: int | None) -> None:
    error = failure(sql, SPLIT, ["text", maximum])
    assert error.sqlstate == "22023" and "maximum_length" in str(error)
