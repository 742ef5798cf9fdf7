"""Keyword search is exact BM25, and nothing that a person can type is an error."""

import random
from collections.abc import Iterator
from pydoc_data.topics import topics

import bm25s
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from statements import column, failure, put, value

SEARCH = "select * from retrieval.keyword_search('c', %s, max_results => %s)"
KEYS = "select document_key from retrieval.keyword_search('c', %s)"

# Exactness


@pytest.fixture(scope="module")
def python_reference(module_database_url: str) -> Iterator[psycopg.Cursor]:
    """A collection p of some hundred paragraphs of Python's reference, with titles and contexts."""
    with psycopg.connect(module_database_url, row_factory=namedtuple_row) as session:
        session.execute("select retrieval.create_collection('p')")
        documents = [
            {
                "document_key": f"{topic}",
                "title": topic if len(topic) % 2 else None,
                "chunks": [
                    {"content": paragraph, "context": text[:60] if number % 3 == 0 else ""}
                    for number, paragraph in enumerate(text.split("\n\n")[:12])
                ],
            }
            for topic, text in sorted(topics.items())
        ]
        put(session, "p", *documents)
        # a word more often than a tsvector keeps positions, and a chunk without any word
        put(session, "p", {"document_key": "x", "content": "spam " * 300}, {"document_key": "y"})
        session.execute("select retrieval.create_collection('many')")
        put(
            session,
            "many",
            *({"document_key": str(n), "content": f"word{n % 500} common"} for n in range(4000)),
        )
        session.commit()
        session.autocommit = True
        session.execute("vacuum analyze")
        session.autocommit = False
        yield session.cursor()


def queries(contents: list[str]) -> list[str]:
    """Words that stand together somewhere, words that do not, and repeated ones."""
    chosen = random.Random(7)
    words = [[word for word in text.split() if word.isalpha()] for text in contents]
    words = [some for some in words if len(some) > 8]
    found = ["spam", "python", "function function argument", "zebra", "zebra statement"]
    for some in chosen.sample(words, 30):
        start = chosen.randrange(len(some) - 6)
        found.append(" ".join(some[start : start + chosen.randrange(1, 7)]))
    for _ in range(20):
        found.append(
            " ".join(chosen.choice(chosen.choice(words)) for _ in range(chosen.randrange(2, 12)))
        )
    return [" ".join(word for word in query.split() if word.lower() != "or") for query in found]


def test_bm25_equals_an_independent_implementation(python_reference: psycopg.Cursor) -> None:
    sql = python_reference
    chunks = sql.execute(
        """select chunk_id, content, (
               select array_agg(array[l.lexeme, cardinality(l.positions)::text])
               from unnest(lexemes) l) as lexemes
           from retrieval.chunks where collection_id = 1 order by chunk_id"""
    ).fetchall()
    assert len(chunks) > 500
    corpus = [
        [lexeme for lexeme, n in chunk.lexemes or [] for _ in range(int(n))] for chunk in chunks
    ]
    reference = bm25s.BM25(method="lucene", k1=1.2, b=0.75, dtype="float64")
    reference.index(corpus, show_progress=False)
    asked = queries([chunk.content for chunk in chunks])
    assert len(asked) > 50
    for query in asked:
        lexemes = sql.execute(
            "select lexeme, cardinality(positions) from unnest(to_tsvector('english', %s))", [query]
        ).fetchall()
        words = [
            lexeme
            for lexeme, count in lexemes
            if lexeme in reference.vocab_dict
            for _ in range(count)
        ]
        scores = reference.get_scores(words) if words else [0.0] * len(chunks)
        expected = {c.chunk_id: score for c, score in zip(chunks, scores, strict=True) if score > 0}
        for max_results in (10, 10_000):
            found = sql.execute(
                "select * from retrieval.keyword_search('p', %s, max_results => %s)",
                [query, max_results],
            ).fetchall()
            best = sorted(expected.values(), reverse=True)[:max_results]
            assert [hit.score for hit in found] == pytest.approx(best, rel=1e-5)
            for rank, hit in enumerate(found, start=1):
                assert hit.score == pytest.approx(expected[hit.chunk_id], rel=1e-5)
                assert (hit.keyword_rank, hit.keyword_score) == (rank, hit.score)


def test_the_lexemes_index_is_used(python_reference: psycopg.Cursor) -> None:
    sql = python_reference
    scans = "select pg_stat_get_xact_numscans(%s::regclass)"
    index = ["retrieval.chunks_2_lexemes_idx"]
    before = value(sql, scans, index)
    for number in range(20):
        search = "select chunk_id from retrieval.keyword_search('many', %s)"
        assert len(column(sql, search, [f"word{number} word{number + 20}"])) == 10
    assert value(sql, scans, index) >= before + 20


# The rest on a collection of a few documents


@pytest.fixture
def collection(sql: psycopg.Cursor) -> dict[str, int]:
    """The collection c; returns the chunk of each key."""
    sql.execute("select retrieval.create_collection('c')")
    texts = {
        "fox": "The quick brown fox jumps over the lazy dog",
        "dog": "A lazy dog sleeps near the brown fence",
        "cat": "The cat sleeps. Quick naps are the best naps",
        "run": "Running runners ran a marathon",
        "code": "Call foo_bar() or read /usr/lib/python3.txt; it's version 1.2.3",
    }
    rows = put(
        sql,
        "c",
        *(
            {"document_key": key, "content": text, "metadata": {"n": len(text)}}
            for key, text in texts.items()
        ),
    )
    return {row.document_key: row.chunk_id for row in rows}


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("fox", {"fox"}),
        ("FOX", {"fox"}),
        ("quick sleeps", {"fox", "dog", "cat"}),
        ("runs", {"run"}),
        ('"brown fox"', {"fox"}),
        ('"fox brown"', set()),
        ('"lazy dog" sleeps', {"fox", "dog"}),
        ('"brown fox" or sleeps', {"fox", "dog", "cat"}),
        ('"brown fox" or "brown fence"', {"fox", "dog"}),
        ('"brown fox" "brown fence"', set()),
        ("lazy -fox", {"dog"}),
        ("lazy -dog", set()),
        ('lazy -"brown fox"', {"dog"}),
        ("quick -nap*", {"fox"}),
        ("-fox", set()),
        ("fox or marathon", {"fox", "run"}),
        ("fox OR marathon", {"fox", "run"}),
        ("or", set()),
        ("or or fox or", {"fox"}),
        ("mara*", {"run"}),
        ("bro*", {"fox", "dog"}),
        ("bro* cat", {"cat", "dog", "fox"}),
        ("bro* or cat", {"fox", "dog", "cat"}),
        ("*", set()),
        ('"', set()),
        ('""', set()),
        ('"brown fox', {"fox", "dog"}),
        ('fox "', {"fox"}),
        ('fox"dog"', {"fox", "dog"}),
        ('fox"cat"', {"cat"}),
        ("-", set()),
        ("--fox", {"fox"}),
        ("fox -", {"fox"}),
        ("the a of", set()),
        ("the fox", {"fox"}),
        ("", set()),
        ("   \n\t", set()),
        (None, set()),
        ("zebra", set()),
        ("foo_bar", {"code"}),
        ("1.2.3", {"code"}),
        ("it's", set()),
        ("\u201cbrown\u201d", {"fox", "dog"}),
        ("fox & dog | !cat:*", {"fox", "dog", "cat"}),
        ("fox'; drop table retrieval.chunks; --", {"fox"}),
        ("%s $1 {} \\", set()),
    ],
)
def test_what_a_query_means(sql: psycopg.Cursor, query: str | None, found: set[str]) -> None:
    keys = column(sql, KEYS, [query])
    assert set(keys) == found
    assert len(keys) == len(found)


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("brown dog", {"fox", "dog"}),
        ("brown sleeps", {"dog"}),
        ("brown marathon", set()),
        ("the brown the sleeps", {"dog"}),
        ("fox or sleeps quick", {"fox", "cat"}),
        ("sleeps -fence", {"cat"}),
        ("bro* sleeps", {"dog"}),
        ('"lazy dog" sleeps', {"dog"}),
        ("the", set()),
        ("", set()),
    ],
)
def test_every_word_demanded(sql: psycopg.Cursor, query: str, found: set[str]) -> None:
    search = "select document_key from retrieval.keyword_search('c', %s, keyword_operator => 'and')"
    assert set(column(sql, search, [query])) == found


def test_a_hit_says_where_it_is_from(sql: psycopg.Cursor, collection: dict[str, int]) -> None:
    put(
        sql,
        "c",
        {
            "document_key": "long",
            "title": "Parrots",
            "metadata": {"a": [1]},
            "chunks": [{"content": "one"}, {"content": "two parrots", "context": "birds"}],
        },
    )
    (hit, other) = sql.execute(SEARCH, ["parrot", 10]).fetchall()
    assert (hit.document_key, hit.title, hit.position, hit.content, hit.metadata) == (
        "long",
        "Parrots",
        1,
        "two parrots",
        {"a": [1]},
    )
    assert hit.document_id == other.document_id
    assert hit.chunk_id > other.chunk_id
    assert hit.score > other.score > 0
    assert column(sql, "select position from retrieval.keyword_search('c', 'bird')") == [1]


def test_ties_go_by_chunk_id(sql: psycopg.Cursor, collection: dict[str, int]) -> None:
    rows = put(
        sql, "c", *({"document_key": f"t{n}", "content": "same zebra words"} for n in range(20))
    )
    chunks = sorted(row.chunk_id for row in rows)
    for max_results in (1, 7, 20, 100):
        hits = sql.execute(SEARCH, ["zebra", max_results]).fetchall()
        assert [hit.chunk_id for hit in hits] == chunks[:max_results]
        assert [hit.keyword_rank for hit in hits] == list(range(1, len(hits) + 1))
        assert len({hit.score for hit in hits}) == 1


@pytest.mark.usefixtures("collection")
def test_filter(sql: psycopg.Cursor) -> None:
    search = (
        "select document_key from retrieval.keyword_search('c', 'sleeps', %s, max_results => 1)"
    )
    assert column(sql, search, [Jsonb({"n": {"$lt": 40}})]) == ["dog"]
    assert column(sql, search, [Jsonb({"n": {"$gt": 40}})]) == ["cat"]
    assert column(sql, search, [Jsonb({"n": 0})]) == []
    assert len(column(sql, search, [Jsonb({})])) == 1


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("arguments", "sqlstate", "named"),
    [
        ("'c', 'x', max_results => 0", "22023", "max_results"),
        ("'c', 'x', max_results => -1", "22023", "max_results"),
        ("'c', 'x', max_results => 10001", "22023", "max_results"),
        ("'c', 'x', max_results => null", "22023", "max_results"),
        ("'c', 'x', k1 => -1", "22023", "k1 must be between 0 and 100, not -1"),
        ("'c', 'x', k1 => 'infinity'", "22023", "k1 must be between 0 and 100, not Infinity"),
        ("'c', '', b => 1.5", "22023", "b must be between 0 and 1, not 1.5"),
        ("'c', 'x', keyword_operator => 'xor'", "22023", "keyword_operator"),
        ("'c', 'x', keyword_operator => null", "22023", "keyword_operator"),
        ("'c', 'x', '{\"$a\": 1}'", "22023", "$a"),
        ("'nobody', 'x'", "42704", "nobody"),
        ("null, 'x'", "42704", "null"),
    ],
)
def test_unusable_arguments(sql: psycopg.Cursor, arguments: str, sqlstate: str, named: str) -> None:
    error = failure(sql, f"select * from retrieval.keyword_search({arguments})")
    assert error.sqlstate == sqlstate
    assert named in str(error).splitlines()[0]


@pytest.mark.usefixtures("collection")
def test_a_thousand_words(sql: psycopg.Cursor) -> None:
    put(sql, "c", {"document_key": "needle", "content": "needle word17"})
    put(
        sql,
        "c",
        *({"document_key": str(n), "content": f"word{n} word{n + 1} hay"} for n in range(300)),
    )
    query = " ".join([*(f"word{n}" for n in range(1000)), "needle"])
    assert len(column(sql, KEYS, [query])) == 10
    assert len(column(sql, KEYS, ["hay " * 1000])) == 10
    assert column(sql, KEYS, [f'"{query}"']) == []
    every = "select document_key from retrieval.keyword_search('c', %s, keyword_operator => 'and')"
    assert column(sql, every, [query]) == []
    assert column(sql, KEYS, [" ".join(f"-word{n}" for n in range(1000)) + " needle"]) == []


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    "query",
    ["x" * 5000, '"' + "x" * 5000, "x" * 5000 + "*", "\u4e66" * 5000, "-" * 5000, '"' * 5001],
)
def test_enormous_words(sql: psycopg.Cursor, query: str) -> None:
    assert column(sql, KEYS, [query]) == []
    assert column(sql, KEYS, [f'{query} " fox'])[:1] in ([], ["fox"])


TYPED = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.lists(
        st.sampled_from(
            [
                *"\"*-&|!():<>\\'%_$@/.,",
                " ",
                "or",
                "fox",
                "sleeps",
                "the",
                "\u4e66\u7c4d",
                "\u201c",
                "\x01",
                "a@b.c",
                "http://x/y?z",
            ]
        )
    ).map("".join),
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query=TYPED)
def test_nothing_typed_is_an_error(sql: psycopg.Cursor, query: str) -> None:
    if value(sql, "select count(*) from retrieval.collections") == 0:
        sql.execute("select retrieval.create_collection('c')")
        put(
            sql,
            "c",
            {
                "document_key": "a",
                "content": f"the fox sleeps http://x/y a@b.c \u4e66\u7c4d {query}",
            },
        )
    for operator in ("or", "and"):
        sql.execute(
            "select * from retrieval.keyword_search('c', %s, keyword_operator => %s)",
            [query, operator],
        )


def test_a_nul_cannot_be_asked(sql: psycopg.Cursor, collection: dict[str, int]) -> None:
    with pytest.raises(psycopg.DataError):
        sql.execute(KEYS, ["a\0b"])
    assert column(sql, KEYS, ["fox"]) == ["fox"]


def test_an_empty_collection(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    assert column(sql, KEYS, ["words"]) == []
    put(sql, "c", {"document_key": "a"})
    assert column(sql, KEYS, ["words"]) == []


def test_chinese(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    texts = {
        "learning": "机器学习很有用",
        "machine": "这台机器坏了",
        "mixed": "用Python学编程",
        "hiragana": "さくらの花",
        "korean": "한국어 문서",
        "one": "书",
    }
    put(sql, "c", *({"document_key": key, "content": text} for key, text in texts.items()))
    for query, found in {
        "机器": {"learning", "machine"},
        "机器学习": {"learning", "machine"},
        '"机器学习"': {"learning"},
        "学": {"learning", "mixed"},
        "用": {"learning", "mixed"},
        "坏": {"machine"},
        "了": {"machine"},
        "书": {"one"},
        "python": {"mixed"},
        "机器 -学习": {"machine"},
        "さくら": {"hiragana"},
        "문서": {"korean"},
        "国": set(),
    }.items():
        assert set(column(sql, KEYS, [query])) == found, query


def test_documents_in_several_languages(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(
        sql,
        "c",
        {"document_key": "en", "content": "the houses"},
        {"document_key": "de", "content": "die H\u00e4user", "text_config": "german"},
        {"document_key": "raw", "content": "the houses", "text_config": "simple"},
    )
    assert set(column(sql, KEYS, ["house"])) == {"en"}
    assert set(column(sql, KEYS, ["houses"])) == {"en", "raw"}
    assert set(column(sql, KEYS, ["Haus"])) == {"de"}
    assert set(column(sql, KEYS, ["the"])) == {"raw"}
    assert set(column(sql, KEYS, ['"the houses"'])) == {"en", "raw"}
    assert set(column(sql, KEYS, ["houses -the"])) == {"en"}


def test_a_prefix_is_no_pattern(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", *({"document_key": key, "content": f"see /{key}.txt"} for key in ("a_b", "axb")))
    assert column(sql, KEYS, ["/a_b* or zebra"]) == ["a_b"]
