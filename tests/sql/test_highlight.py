"""Fragments with the words of a query between marks."""

import re

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statements import failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

HIGHLIGHT = "select retrieval.highlight('c', %s, %s, '[', ']')"
FRAGMENTS = (
    "select retrieval.highlight('c', %s, %s, '[', ']', max_fragments => %s, fragment_length => %s)"
)


@pytest.fixture
def collection(sql: psycopg.Cursor) -> None:
    """The collection c, which holds something in Chinese."""
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", {"document_key": "a", "content": "\u673a\u5668\u5b66\u4e60 running"})


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("content", "query", "marked"),
    [
        ("A fox runs.", "fox", "A [fox] runs."),
        ("A fox runs.", "running FOX", "A [fox] [runs]."),
        ("Fox, fox; (fox)", "fox", "[Fox], [fox]; ([fox])"),
        ("firefox foxes", "fox", "firefox [foxes]"),
        ("the quick brown fox", '"brown fox"', "the quick [brown] [fox]"),
        ("quick brown fox", "quick -fox", "[quick] brown fox"),
        ("quick brown fox", "quick or fox", "[quick] brown [fox]"),
        ("the words", "the", "the words"),
        ("no match at all", "zebra", "no match at all"),
        ("some words", "", "some words"),
        ("some words", None, "some words"),
        ("", "words", ""),
        ("a.b (c) [d] $e ^f {g} word*", "word", "a.b (c) [d] $e ^f {g} [word]*"),
        ("word", "wor.", "word"),
        ("say \"word\" or 'word'", "word", "say \"[word]\" or '[word]'"),
        ("word\\word", "word", "[word]\\[word]"),
        (
            "\u673a\u5668\u5b66\u4e60\u5f88\u6709\u7528",
            "\u5b66\u4e60",
            "\u673a\u5668[\u5b66\u4e60]\u5f88\u6709\u7528",
        ),
        ("\u673a\u5668\u5b66\u4e60", "\u673a\u5668\u5b66\u4e60", "[\u673a\u5668\u5b66\u4e60]"),
        ("\u5b66\u6821", "\u5b66\u4e60", "\u5b66\u6821"),
        ("\u0001word\u0002 x", "word", "[word] x"),
    ],
)
def test_words_are_marked(sql: psycopg.Cursor, content: str, query: str, marked: str) -> None:
    assert value(sql, HIGHLIGHT, [content, query]) == marked


@pytest.mark.usefixtures("collection")
def test_escaping(sql: psycopg.Cursor) -> None:
    statement = "select retrieval.highlight('c', %s, 'word', escape_html => %s)"
    content = "<b>word</b> & \"x\" 'y' <mark>"
    assert value(sql, statement, [content, False]) == "<b><mark>word</mark></b> & \"x\" 'y' <mark>"
    assert value(sql, statement, [content, True]) == (
        "&lt;b&gt;<mark>word</mark>&lt;/b&gt; &amp; &quot;x&quot; &#39;y&#39; &lt;mark&gt;"
    )


FILLER = "some filler text that goes on and on " * 40


@pytest.mark.usefixtures("collection")
def test_the_best_fragments_in_their_order(sql: psycopg.Cursor) -> None:
    content = (
        f"{FILLER} one zebra {FILLER} zebra and zebra with zebra {FILLER} two zebra zebra {FILLER}"
    )
    found = value(sql, FRAGMENTS, [content, "zebra", 2, 100])
    assert found.startswith("\u2026 ")
    assert found.endswith(" \u2026")
    first, second = found[2:-2].split(" \u2026 ")
    assert (first.count("[zebra]"), second.count("[zebra]")) == (3, 2)
    assert "and [zebra] with" in first
    assert max(len(first), len(second)) < 120
    assert value(sql, FRAGMENTS, [content, "zebra", 1, 100]).count("[zebra]") == 3


@pytest.mark.usefixtures("collection")
def test_no_match_gives_the_beginning(sql: psycopg.Cursor) -> None:
    found = value(sql, FRAGMENTS, ["Start here. " + FILLER, "zebra", 2, 50])
    assert found.startswith("Start here. some filler")
    assert found.endswith(" \u2026")
    assert len(found) <= 53


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("length", [20, 100, 240, 255, 256, 1000, 5000])
def test_a_fragment_is_about_as_long_as_asked(sql: psycopg.Cursor, length: int) -> None:
    found = value(sql, FRAGMENTS, [FILLER * 8 + "zebra " + FILLER * 5, "zebra", 1, length])
    assert "[zebra]" in found
    assert length / 2 < len(found) <= length + 10


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    "content", ["x" * 10**6, "word " * 10**5, "\u673a" * 10**5, " " * 10**5 + "word", "\n" * 10**5]
)
def test_bounded(sql: psycopg.Cursor, content: str) -> None:
    found = value(sql, FRAGMENTS, [content, "word \u673a\u673a", 3, 200])
    assert found is not None
    assert len(found.replace("[", "").replace("]", "")) <= 3 * 200 + 20


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("query", ["zebra", "goes"])
def test_words_stay_whole(sql: psycopg.Cursor, query: str) -> None:
    for length in range(30, 45):
        found = value(sql, FRAGMENTS, [f"{FILLER} zebra {FILLER}", query, 2, length])
        words = set(re.sub(r"[][\u2026]", "", found).split())
        assert words <= {*FILLER.split(), "zebra"}


@pytest.mark.usefixtures("collection")
def test_a_cut_never_parts_a_pair_of_marks(sql: psycopg.Cursor) -> None:
    for before in range(30, 50):
        content = "\u5929" * before + "\u673a\u5668\u5b66\u4e60" * 3 + "\u5730" * 80
        found = value(sql, FRAGMENTS, [content, "\u673a\u5668\u5b66\u4e60", 1, 40])
        assert re.fullmatch(r"([^][]*\[[^][]+\])+[^][]*", found), found


@pytest.mark.usefixtures("collection")
def test_text_without_blanks_gets_none(sql: psycopg.Cursor) -> None:
    content = "\u5929" * 30 + "\u673a\u5668" + "\u5730" * 10 + "\u673a\u5668" + "\u5730" * 60
    found = value(sql, FRAGMENTS, [content, "\u673a\u5668", 2, 40])
    plain = found.replace("[", "").replace("]", "").removeprefix("\u2026 ").removesuffix(" \u2026")
    assert all(piece in content for piece in plain.split(" \u2026 "))


TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x01\x02[]\u2026")),
    st.lists(
        st.sampled_from(
            [
                *"*+?.(){}^$|\\'\"<>&-_%,",
                " ",
                "  ",
                "\n",
                "word ",
                "words",
                "zebra ",
                "running",
                "\u673a\u5668",
                "\u5b66\u4e60\u5f88",
                "\u00e9t\u00e9",
                "1.5",
                "it's",
            ]
        ),
        max_size=80,
    ).map("".join),
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=TEXT, query=TEXT, length=st.integers(1, 60), most=st.integers(1, 3))
def test_marks_are_all_that_is_added(
    sql: psycopg.Cursor, content: str, query: str, length: int, most: int
) -> None:
    if not value(sql, "select count(*) from retrieval.collections"):
        sql.execute("select retrieval.create_collection('c')")
        put(sql, "c", {"document_key": "a", "content": "\u673a\u5668\u5b66\u4e60 running"})
    found = value(sql, FRAGMENTS, [content, query, most, length]) or ""
    assert re.fullmatch(r"([^][]*\[[^][]+\])*[^][]*", found)
    plain = re.sub(r"[][\s\u2026]", "", found)
    kept = iter(re.sub(r"\s", "", content))
    assert all(character in kept for character in plain)


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("arguments", "sqlstate"),
    [
        ("'x', 'a', 'b'", "42704"),
        ("'c', 'a', 'b', max_fragments => 0", "22023"),
        ("'c', 'a', 'b', max_fragments => 101", "22023"),
        ("'c', 'a', 'b', fragment_length => 0", "22023"),
        ("'c', 'a', 'b', fragment_length => null", "22023"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, sqlstate: str) -> None:
    assert failure(sql, f"select retrieval.highlight({arguments})").sqlstate == sqlstate
