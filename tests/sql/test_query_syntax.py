"""Phrases, exclusions, alternatives and prefixes, alone and with each other."""

import psycopg
import pytest
from statements import column, put

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

KEYS = "select document_key from retrieval.keyword_search('c', %s, max_results => 100)"
EVERY = """select document_key from retrieval.keyword_search(
               'c', %s, max_results => 100, keyword_operator => 'and')"""

TEXTS = {
    "apple": "red apple pie with cream",
    "pear": "green pear tart with cream",
    "plum": "a red plum and a green apple",
    "pie": "pie of apple, red as a plum",
    "runner": "runners were running in the running shoes",
    "computer": "computers computing computations",
    "email": "write to some.body@example.org about the e-mail",
    "chinese": "\u673a\u5668\u5b66\u4e60\u5f88\u6709\u7528",
    "kana": "\u3055\u304f\u3089\u306e\u82b1\u304c\u54b2\u304f",
    "hangul": "\ud55c\uad6d\uc5b4 \ubb38\uc11c \uac80\uc0c9",
}


@pytest.fixture
def collection(sql: psycopg.Cursor) -> None:
    """The English collection c."""
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", *({"document_key": key, "content": text} for key, text in TEXTS.items()))


def found_by(*cases: tuple[str, set[str]]) -> pytest.MarkDecorator:
    """Queries and the keys of what they find."""
    return pytest.mark.parametrize(("query", "found"), cases)


@pytest.mark.usefixtures("collection")
@found_by(
    # phrases
    ('"red apple"', {"apple"}),
    ('"apple red"', {"pie"}),
    ('"red apples"', {"apple"}),
    ('"pie the cream"', {"apple"}),
    ('"pie cream"', set()),
    ('"plum and a green"', {"plum"}),
    ('"red apple" pear', {"apple"}),
    ('pear"red apple"', {"apple"}),
    ('"red apple" "with cream"', {"apple"}),
    ('"some.body@example.org"', {"email"}),
    ('"e-mail"', {"email"}),
    ('"the"', set()),
    ('"the" pear', {"pear"}),
    # exclusions
    ("cream -red", {"pear"}),
    ("cream -pears", {"apple"}),
    ('apple -"red apple"', {"plum", "pie"}),
    ('apple -"apple red" -"red apple"', {"plum"}),
    ("apple -zebra", {"apple", "plum", "pie"}),
    ("apple -the", {"apple", "plum", "pie"}),
    ("apple - red", {"apple", "plum", "pie"}),
    ("apple -red -apple", set()),
    ("e-mail -red", {"email"}),
    ("apple -p*", set()),
    ("apple -pi*", {"plum"}),
    # alternatives
    ('"red apple" or "green pear"', {"apple", "pear"}),
    ('"red apple" OR "green pear" Or "red plum"', {"apple", "pear", "plum"}),
    ('"red apple" or pear', {"apple", "pear", "plum", "pie"}),
    ('"red apple" or "green pear" "with cream"', {"apple", "pear"}),
    ('"with cream" "red apple" or "green apple"', {"apple"}),
    ("or apple", {"apple", "plum", "pie"}),
    ("pear or", {"pear"}),
    ("or or or", set()),
    ('"or"', set()),
    ("pear or -apple", {"pear"}),
    # prefixes
    ("pl*", {"plum", "pie"}),
    ("PL*", {"plum", "pie"}),
    ("p* -pear", {"apple", "plum", "pie"}),
    ("running*", {"runner"}),
    ("computat*", set()),
    ("computation*", {"computer"}),
    ("compu*", {"computer"}),
    ("compu* apple", {"computer", "apple", "plum", "pie"}),
    ("compu* or apple", {"computer", "apple", "plum", "pie"}),
    ("compu* pe*", {"computer", "pear"}),
    ("compu* or pe*", {"computer", "pear"}),
    ("zeb*", set()),
    ("the*", set()),
    ("the* pear", {"pear"}),
    ("a*b", set()),
    ("pear**", {"pear"}),
    ("*pear", {"pear"}),
    ('"red app*"', set()),
)
def test_conditions(sql: psycopg.Cursor, query: str, found: set[str]) -> None:
    keys = column(sql, KEYS, [query])
    assert set(keys) == found
    assert len(keys) == len(found)


@pytest.mark.usefixtures("collection")
@found_by(
    ("red apple", {"apple", "plum", "pie"}),
    ("red apple cream", {"apple"}),
    ("the red of apples", {"apple", "plum", "pie"}),
    ("red apple zebra", set()),
    ("pear or plum apple", {"plum", "pie"}),
    ("apple pear or plum", {"plum", "pie"}),
    ("cream pear or tart or pie", {"apple", "pear"}),
    ("zebra or pear cream", {"pear"}),
    ('"red apple" or "green apple" cream', {"apple"}),
    ('plum "red apple" or "green apple"', {"plum"}),
    ("pl* apple", {"plum", "pie"}),
    ("pl* or cr* apple", {"apple", "plum", "pie"}),
    ("apple -plum", {"apple"}),
    ("pear or the cream", {"pear"}),
    ("e-mail some.body@example.org", {"email"}),
    ("-apple", set()),
    ("or", set()),
)
def test_conditions_and_every_word(sql: psycopg.Cursor, query: str, found: set[str]) -> None:
    assert set(column(sql, EVERY, [query])) == found


@pytest.mark.usefixtures("collection")
@found_by(
    ('"\u5b66\u4e60"', {"chinese"}),
    ('"\u5668\u5b66\u4e60\u5f88"', {"chinese"}),
    ('"\u5668\u5b66 \u4e60\u5f88"', set()),
    ('"\u5b66\u4e60\u673a\u5668"', set()),
    ('"\u673a\u5668\u6709\u7528"', set()),
    ('"\u6709\u7528"', {"chinese"}),
    ('"\u3055\u304f\u3089\u306e\u82b1"', {"kana"}),
    ('"\u82b1\u306e"', set()),
    ('"\ud55c\uad6d\uc5b4 \ubb38\uc11c"', set()),
    ('"\ubb38\uc11c"', {"hangul"}),
    ("\u673a\u5668 -\u5b66\u4e60", set()),
    ('\u673a\u5668 -"\u4e60\u5b66"', {"chinese"}),
    ('"\u673a\u5668\u5b66\u4e60" or "red apple"', {"chinese", "apple"}),
)
def test_phrases_without_blanks(sql: psycopg.Cursor, query: str, found: set[str]) -> None:
    assert set(column(sql, KEYS, [query])) == found


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("character", "key"),
    [
        ("\u673a", "chinese"),
        ("\u5b66", "chinese"),
        ("\u7528", "chinese"),
        ("\u3055", "kana"),
        ("\u82b1", "kana"),
        ("\u304f", "kana"),
        ("\ud55c", "hangul"),
        ("\uad6d", "hangul"),
        ("\uc0c9", "hangul"),
    ],
)
def test_a_single_character(sql: psycopg.Cursor, character: str, key: str) -> None:
    """At the beginning, in the middle and at the end of a run, and wherever a word can stand."""
    for query in (character, f'"{character}"', f"{character} -zebra", f"{character} or the"):
        assert column(sql, KEYS, [query]) == [key], query
        assert column(sql, EVERY, [query]) == [key], query
    assert column(sql, EVERY, [f"{character} apple"]) == []
    both = f"pear {TEXTS[key][:2]}"
    assert set(column(sql, KEYS, [both])) == {key, "pear"}
    assert column(sql, KEYS, [f"{both} -{character}"]) == ["pear"]


def test_or_is_no_word_in_any_configuration(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c', 'simple')")
    put(
        sql,
        "c",
        {"document_key": "or", "content": "this or that"},
        {"document_key": "fox", "content": "fox"},
        {"document_key": "bear", "content": "bear"},
    )
    for query in ("fox or bear", "fox OR bear", "fox Or bear", "OR fox bear OR"):
        assert set(column(sql, KEYS, [query])) == {"fox", "bear"}, query
    assert column(sql, KEYS, ['"or"']) == ["or"]
    assert column(sql, KEYS, ['"this or that"']) == ["or"]
    assert set(column(sql, EVERY, ["fox OR bear"])) == {"fox", "bear"}


@pytest.mark.usefixtures("collection")
def test_conditions_do_not_change_scores(sql: psycopg.Cursor) -> None:
    search = "select document_key, score from retrieval.keyword_search('c', %s)"
    plain = dict(sql.execute(search, ["red apple"]).fetchall())
    assert len(plain) == 3
    for query in ('"red apple"', "red apple -zebra", "red or apple", "apple -pear red"):
        for key, score in sql.execute(search, [query]).fetchall():
            assert score == plain[key], query


def test_a_prefix_stands_for_the_commonest_words(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c', 'simple')")
    put(
        sql,
        "c",
        *({"document_key": str(n), "content": f"word{n} common{n % 3}"} for n in range(60)),
    )
    assert len(column(sql, KEYS, ["word*"])) == 60
    assert len(column(sql, KEYS, ["word5*"])) == 11
    assert len(column(sql, KEYS, ["common* -common1"])) == 40
    assert len(column(sql, KEYS, ["common1*"])) == 20


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize("keyword_operator", ["or", "and"])
@pytest.mark.parametrize(
    "query",
    [
        *("-", "*", '"', ":*", "!", "&|", "\\", "\\\\", "'", "''", "()", "<->", "--", "-*"),
        *('-"', '"-"', '"*"', '-""', "or -", "- or *", "\\'", "':*", "\x01", "\x02", "\u3000"),
        *("\u201c\u201d", "\U0001f98a", "-\U0001f98a", "\u0301", "\ufeff", "\u200b", "\ufffd"),
    ],
)
def test_punctuation_asks_for_nothing(
    sql: psycopg.Cursor, query: str, keyword_operator: str
) -> None:
    search = "select document_key from retrieval.keyword_search('c', %s, keyword_operator => %s)"
    assert column(sql, search, [query, keyword_operator]) == []
    beside = column(sql, search, [f"pear {query} ", keyword_operator])
    assert beside == ["pear"]
