"""Few matches are counted, many are estimated: close for words, exactly for one."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from bm25 import Reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, failure, put, value

names = (f"counted {number}" for number in itertools.count())

COUNT = "select retrieval.count_matches(%s, %s, %s, %s, exact => %s)"
FOUND = "select chunk_id from retrieval.keyword_search(%s, %s, %s, 10000, %s)"


def count(
    sql: psycopg.Cursor,
    collection: str,
    query: str | None,
    wanted: dict[str, Any] | None = None,
    operator: str = "or",
    exact: bool = False,
) -> int:
    return int(value(sql, COUNT, [collection, query, wanted and Jsonb(wanted), operator, exact]))


WORDS = ["a", "b", "c", "fox", "foxes", "run", "running", "機器學習"]
WRITTEN = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
ASKED = st.lists(
    st.sampled_from([*WORDS, "or", "-a", "-fox", '"a b"', '"fox run"', '-"b a"', "fo*", "none"]),
    max_size=5,
).map(" ".join)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    contents=st.lists(
        st.tuples(WRITTEN, WRITTEN, st.sampled_from(["simple", "english"]), st.integers(0, 1)),
        min_size=1,
        max_size=9,
    ),
    queries=st.lists(ASKED, min_size=3, max_size=6),
    operator=st.sampled_from(["or", "and"]),
    wanted=st.sampled_from([None, {"n": 1}]),
    weights=st.sampled_from([None, {"title": 0}]),
)
@pytest.mark.newest
def test_as_many_as_a_search_finds(
    sql: psycopg.Cursor,
    contents: list[tuple[str, str, str, int]],
    queries: list[str],
    operator: str,
    wanted: dict[str, int] | None,
    weights: dict[str, int] | None,
) -> None:
    name = next(names)
    sql.execute("select retrieval.create_collection(%s, 'simple')", [name])
    documents = (
        {
            "document_key": str(number),
            "title": title,
            "content": content,
            "text_config": text_config,
            "metadata": {"n": n},
        }
        for number, (title, content, text_config, n) in enumerate(contents)
    )
    put(sql, name, *documents)
    if weights:
        sql.execute("select retrieval.set_field_weights(%s, %s)", [name, Jsonb(weights)])
    for query in queries:
        found = column(sql, FOUND, [name, query, wanted and Jsonb(wanted), operator])
        assert count(sql, name, query, wanted, operator) == len(found)
        assert count(sql, name, query, wanted, operator, exact=True) == len(found)


# Six thousand chunks


@pytest.fixture(scope="module")
def corpus(module_database_url: str) -> Iterator[tuple[psycopg.Cursor, Reference]]:
    """The collection big: words by chance, w0 in more than half of the chunks."""
    chosen = random.Random(7)
    words = [f"w{rank}" for rank in range(300)]
    frequencies = [1 / (rank + 3) for rank in range(300)]
    documents = [
        {
            "document_key": str(number),
            "content": " ".join(chosen.choices(words, frequencies, k=9)),
            "metadata": {"half": number % 2, "rare": number % 100},
        }
        for number in range(6000)
    ]
    with psycopg.connect(module_database_url, row_factory=namedtuple_row) as session:
        session.execute("select retrieval.create_collection('big', 'simple')")
        put(session, "big", *documents)
        session.commit()
        session.execute("analyze retrieval.chunks")
        yield session.cursor(), Reference(session, "big")


def holders(reference: Reference, query: str) -> set[int]:
    """The chunks that hold a word of the query."""
    return {chunk for word in query.split() for chunk in reference.postings.get(word, ())}


def test_one_word_is_exact_without_counting(corpus: tuple[psycopg.Cursor, Reference]) -> None:
    sql, reference = corpus
    scans = """
        select sum(pg_stat_get_xact_numscans(i)) from (
            select 'retrieval.chunks_1'::regclass
            union all select indexrelid from pg_index
            where indrelid = 'retrieval.chunks_1'::regclass) r(i)"""
    before = value(sql, scans)
    for word in ("w0", "w1", "w50", "w299", "none"):
        assert count(sql, "big", word) == len(holders(reference, word))
    assert value(sql, scans) == before


def test_words_are_estimated_between_their_bounds(
    corpus: tuple[psycopg.Cursor, Reference],
) -> None:
    sql, reference = corpus
    chosen = random.Random(8)
    for words in (2, 3, 5, 12):
        for _ in range(4):
            query = " ".join(f"w{int(300 ** chosen.random()) - 1}" for _ in range(words))
            held = [len(holders(reference, word)) for word in set(query.split())]
            matching = len(holders(reference, query))
            estimate = count(sql, "big", query)
            assert max(held) <= estimate <= min(sum(held), 6000)
            assert estimate == pytest.approx(matching, rel=0.1)
            if estimate < 1000:
                assert estimate == matching
            assert count(sql, "big", query, exact=True) == matching


@pytest.mark.parametrize(
    ("query", "wanted", "operator"),
    [
        ("w0 w1", {"half": 1}, "or"),
        ("w0 w1", {"rare": 7}, "or"),
        ("w0", {"half": 0}, "or"),
        ("w0 w1", None, "and"),
        ("w1 -w0", None, "or"),
        ("w40 -w0", None, "or"),
        ('"w0 w1"', None, "or"),
        ("w0 w1", {"half": 2}, "or"),
    ],
)
def test_a_filter_or_a_condition(
    corpus: tuple[psycopg.Cursor, Reference],
    query: str,
    wanted: dict[str, int] | None,
    operator: str,
) -> None:
    sql, _ = corpus
    matching = len(column(sql, FOUND, ["big", query, wanted and Jsonb(wanted), operator]))
    estimate = count(sql, "big", query, wanted, operator)
    assert count(sql, "big", query, wanted, operator, exact=True) == matching
    # the planner takes a phrase for words that stand together anywhere
    most = 10 if '"' in query else 2
    assert estimate == matching or 1000 <= estimate <= most * matching


def test_what_row_level_security_hides_is_not_counted(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c', 'simple')")
    put(
        sql,
        "c",
        *({"document_key": str(n), "content": "fox", "metadata": {"n": n}} for n in range(9)),
    )
    # the function has the rights of the tables' owner, for whom policies count only where forced
    sql.execute("""
        create policy few on retrieval.chunks as restrictive
            using ((metadata ->> 'n')::integer < 4);
        set local role retrieval_reader""")
    assert count(sql, "c", "fox") == 9
    sql.execute("reset role; alter table retrieval.chunks force row level security")
    sql.execute("set local role retrieval_reader")
    assert count(sql, "c", "fox") == 4


@pytest.mark.parametrize("query", [None, "", "none", "-fox", '"', "the"])
def test_nothing_matches(sql: psycopg.Cursor, query: str | None) -> None:
    sql.execute("select retrieval.create_collection('c')")
    assert count(sql, "c", query) == 0
    put(sql, "c", {"document_key": "a", "content": "the fox"})
    assert count(sql, "c", query) == count(sql, "c", query, exact=True) == 0


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("'x', 'fox'", "42704", "collection x does not exist"),
        ("'c', 'fox', '[]'", "22023", "filter"),
        ("'c', 'fox', keyword_operator => 'xor'", "22023", "keyword_operator must be one of"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    sql.execute("select retrieval.create_collection('c')")
    error = failure(sql, f"select retrieval.count_matches({arguments})")
    assert error.sqlstate == sqlstate
    assert message in str(error.diag.message_primary)
