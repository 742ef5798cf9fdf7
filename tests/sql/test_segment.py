"""Text as PostgreSQL's parser should see it, its lexemes and their number."""

import unicodedata

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statements import value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

SEGMENT = "select retrieval.segment(%s)"
LEXEMES = "select retrieval.to_lexemes(%s, %s, %s, %s)::text"

SETTINGS = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1)


@pytest.mark.parametrize(
    ("content", "segmented"),
    [
        ("", []),
        ("plain ASCII, 'untouched'", ["plain", "ASCII,", "'untouched'"]),
        ("caf\u00e9", ["caf\u00e9"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("\u673a", ["\u673a"]),
        ("\u673a\u5668", ["\u673a\u5668", "\u5668"]),
        ("\u673a\u5668\u5b66", ["\u673a\u5668", "\u5668\u5b66", "\u5b66"]),
        ("a\u673a\u5668b", ["a", "\u673a\u5668", "\u5668", "b"]),
        ("\u673a\u5668\u3002\u5b66", ["\u673a\u5668", "\u5668", "\u5b66"]),
        ("\u304b\u306a", ["\u304b\u306a", "\u306a"]),
        ("\ud55c\uae00", ["\ud55c\uae00", "\uae00"]),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", ["\ud55c\uae00", "\uae00"]),
        ("\u4eba\u3005", ["\u4eba\u3005", "\u3005"]),
        ("\uff30\uff39", ["PY"]),
        ("\uff76\uff85", ["\u30ab\u30ca", "\u30ca"]),
        ("\u201cword\u201d \u2014 \u2026", ["word", "..."]),
        ("it\u2019s", ["it's"]),
        ("\U00020000\U00020001", ["\U00020000\U00020001", "\U00020001"]),
    ],
)
def test_by_example(sql: psycopg.Cursor, content: str, segmented: list[str]) -> None:
    assert value(sql, SEGMENT, [content]).split() == segmented


def test_without_the_final_character(sql: psycopg.Cursor) -> None:
    statement = "select retrieval.segment(%s, false)"
    assert value(sql, statement, ["\u673a\u5668\u5b66 x \u4e66"]).split() == [
        "\u673a\u5668",
        "\u5668\u5b66",
        "x",
        "\u4e66",
    ]
    assert value(sql, "select retrieval.segment(null)") is None


@SETTINGS
@given(run=HAN)
def test_a_run_becomes_its_bigrams(sql: psycopg.Cursor, run: str) -> None:
    bigrams = [run[start : start + 2] for start in range(len(run))]
    assert value(sql, SEGMENT, [run]).split() == bigrams
    assert value(sql, "select retrieval.segment(%s, false)", [run]).split() == (
        bigrams[:-1] or bigrams
    )


@SETTINGS
@given(content=st.text(st.characters(max_codepoint=127, exclude_characters="\0")))
def test_ascii_is_untouched(sql: psycopg.Cursor, content: str) -> None:
    assert value(sql, SEGMENT, [content]) == content


@SETTINGS
@given(content=st.text(st.characters(categories=["L", "Nd", "Zs"])))
def test_letters_and_digits_survive(sql: psycopg.Cursor, content: str) -> None:
    def letters(text: str) -> set[str]:
        return {character for character in text if unicodedata.category(character)[0] in "LN"}

    normal = unicodedata.normalize("NFKC", content)
    assert letters(value(sql, SEGMENT, [content])) == letters(normal)


@SETTINGS
@given(title=TEXT, context=TEXT, content=TEXT)
def test_the_length_is_the_sum_of_positions(
    sql: psycopg.Cursor, title: str, context: str, content: str
) -> None:
    row = sql.execute(
        """select retrieval.lexeme_length(v) as length, (
                      select coalesce(sum(cardinality(l.positions)), 0)
                      from unnest(v) l) as positions
           from retrieval.to_lexemes('english', %s, %s, %s) v""",
        [title, context, content],
    ).fetchone()
    assert row.length == row.positions


@pytest.mark.parametrize(
    "content", ["", "the", "word", "word " * 300, " ".join(f"w{n} w{n % 7}" for n in range(30_000))]
)
def test_long_and_empty_lengths(sql: psycopg.Cursor, content: str) -> None:
    row = sql.execute(
        """select retrieval.lexeme_length(v) as length, (
                      select coalesce(sum(cardinality(l.positions)), 0)
                      from unnest(v) l) as positions
           from retrieval.to_lexemes('english', null, '', %s) v""",
        [content],
    ).fetchone()
    assert row.length == row.positions


def test_fields_have_weights_and_follow_each_other(sql: psycopg.Cursor) -> None:
    assert (
        value(sql, LEXEMES, ["english", "Titles", "above", "the content"])
        == "'content':3 'titl':1A"
    )
    assert value(sql, LEXEMES, ["simple", "one", "two", "three"]) == "'one':1A 'three':3 'two':2B"
    assert value(sql, LEXEMES, ["simple", None, "", "three"]) == "'three':1"
    assert value(sql, LEXEMES, ["simple", "", "", ""]) == ""


@SETTINGS
@given(content=TEXT)
def test_what_is_indexed_can_be_asked(sql: psycopg.Cursor, content: str) -> None:
    assert value(
        sql,
        """select not exists (
               select l.lexeme
               from unnest(to_tsvector('english', retrieval.segment(%(content)s, false))) l
               except
               select l.lexeme
               from unnest(retrieval.to_lexemes('english', null, '', %(content)s)) l)""",
        {"content": content},
    )
