"""Collections that mix languages, scripts and an application's own configurations."""

import psycopg
import pytest
from bm25 import Reference
from statements import column, failure, put, value

KEYS = "select document_key from retrieval.keyword_search('c', %s, max_results => 100)"
EVERY = "select document_key from retrieval.keyword_search('c', %s, keyword_operator => 'and')"
LEXEMES = "select lexemes::text from retrieval.chunks order by chunk_id"


def create(
    sql: psycopg.Cursor, text_config: str = "english", **texts: str | tuple[str, str]
) -> None:
    """The collection c; a pair is a text and the configuration of its document."""
    sql.execute("select retrieval.create_collection('c', %s)", [text_config])
    add(sql, **texts)


def add(sql: psycopg.Cursor, **texts: str | tuple[str, str]) -> None:
    """More documents for the collection c."""
    for key, text in texts.items():
        content, text_config = (text, None) if isinstance(text, str) else text
        put(sql, "c", {"document_key": key, "content": content, "text_config": text_config})


# Several languages


@pytest.fixture
def mixed(sql: psycopg.Cursor) -> None:
    """English and German."""
    create(
        sql,
        en="the houses of the old gardens die slowly",
        en2="a garden without a house",
        de=("die H\u00e4user in den alten G\u00e4rten", "german"),
        de2=("ein Garten mit der Katze", "german"),
    )


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("house", {"en", "en2"}),
        ("Haus", {"de"}),
        ("G\u00e4rten", {"de", "de2"}),
        ("house or Haus", {"en", "en2", "de"}),
        ("garden Garten", {"en", "en2", "de", "de2"}),
        # a stop word of one language is a word of the other
        ("die", {"en"}),
        ("garden Garten -die", {"en2", "de", "de2"}),
        ("garden Garten -mit", {"en", "en2", "de", "de2"}),
        ("garden Garten -Katzen", {"en", "en2", "de"}),
        # a phrase is one of the language of each document
        ('"old garden"', {"en"}),
        ('"alte Garten"', {"de"}),
        ('"die Haus"', {"de"}),
        ('"old garden" or "alte G\u00e4rten"', {"en", "de"}),
        ('"the house"', {"en", "en2"}),
        ("gard*", {"en", "en2"}),
        ("gart*", {"de", "de2"}),
    ],
)
def test_conditions_go_by_the_documents_language(
    sql: psycopg.Cursor, query: str, found: set[str]
) -> None:
    keys = column(sql, KEYS, [query])
    assert set(keys) == found
    assert len(keys) == len(found)


@pytest.mark.usefixtures("mixed")
def test_every_word_of_the_documents_language(sql: psycopg.Cursor) -> None:
    assert set(column(sql, EVERY, ["the house garden"])) == {"en", "en2"}
    assert set(column(sql, EVERY, ["die alten H\u00e4user"])) == {"de"}
    assert column(sql, EVERY, ["house Haus"]) == []


@pytest.mark.usefixtures("mixed")
def test_one_set_of_statistics(sql: psycopg.Cursor) -> None:
    reference = Reference(sql, "c")
    assert reference.text_configs == ["english", "german"]
    search = "select chunk_id, score from retrieval.keyword_search('c', %s)"
    for query in ("garden", "Garten Haus", "old alten house die die", "in den houses"):
        expected = reference.search(reference.words(query))
        found = sql.execute(search, [query]).fetchall()
        assert [hit.chunk_id for hit in found] == [chunk_id for chunk_id, _ in expected]
        assert [hit.score for hit in found] == pytest.approx([s for _, s in expected], abs=1e-9)


@pytest.mark.usefixtures("mixed")
def test_a_language_that_left_is_not_asked_in(sql: psycopg.Cursor) -> None:
    explain = "select lexeme from retrieval.explain_keyword_search('c', 'die Katzen garden')"
    assert set(column(sql, explain)) == {"die", "katz", "garden"}
    sql.execute("select retrieval.delete_documents('c', array['de', 'de2'])")
    assert set(column(sql, explain)) == {"die", "garden"}
    configs = "select (retrieval._text_statistics(collection_id)).text_configs"
    assert value(sql, f"{configs} from retrieval.collections") == ["english"]


# Scripts and forms


@pytest.mark.parametrize(
    ("content", "query"),
    [
        ("\uff30\uff59\uff54\uff48\uff4f\uff4e \uff13.\uff11\uff12", "python 3.12"),
        ("Python", "\uff50\uff39\uff34\uff28\uff2f\uff2e"),
        ("cafe\u0301", "caf\u00e9"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ufb01sh", "fish"),
        ("\u2460 one", "1"),
        ("\uff76\uff9e\uff97\uff7d", "\u30ac\u30e9\u30b9"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00"),
        ("\u5b66\u4e60\u3002\u673a\u5668\uff01", "\u673a\u5668"),
        ("\u300c\u5b66\u4e60\u300d\u3068", "\u5b66\u4e60"),
        ("read\u3000this", "read"),
        ("\u2018quoted\u2019 words", "quoted"),
        ("em\u2014dash", "dash"),
        ("zero\u200bwidth", "width"),
        ("\u4f7f\u7528Python3\u7f16\u7a0b", "python3"),
        ("\u4f7f\u7528Python3\u7f16\u7a0b", "\u7f16\u7a0b"),
        ("\u4eba\u3005", "\u4eba\u3005"),
        ("\U00020bb7\u91ce\u5bb6", "\U00020bb7\u91ce"),
    ],
)
def test_two_forms_of_the_same(sql: psycopg.Cursor, content: str, query: str) -> None:
    create(sql, "simple", here=content, there="something else")
    assert column(sql, KEYS, [query]) == ["here"]
    assert column(sql, EVERY, [query]) == ["here"]
    assert column(sql, KEYS, [f'"{query}"']) == ["here"]
    assert column(sql, KEYS, [f"something -{query}"]) == ["there"]


def test_longer_matches_of_a_script_come_first(sql: psycopg.Cursor) -> None:
    create(
        sql,
        partly="\u673a\u5668\u574f\u4e86\u600e\u4e48\u529e",
        wholly="\u673a\u5668\u5b66\u4e60\u662f\u4ec0\u4e48",
        other="\u5929\u6c14\u5f88\u597d",
    )
    assert column(sql, KEYS, ["\u673a\u5668\u5b66\u4e60"]) == ["wholly", "partly"]


# An application's own configurations


@pytest.fixture
def own(sql: psycopg.Cursor) -> None:
    """words.plain: English stop words, no stemming, and a dictionary of synonyms before it."""
    for statement in (
        "create schema words; grant usage on schema words to retrieval_owner",
        "create text search dictionary words.alike (template = synonym, synonyms = synonym_sample)",
        "create text search dictionary words.unstemmed (template = simple, stopwords = english)",
        "create text search configuration words.plain (copy = english)",
        """alter text search configuration words.plain
           alter mapping for asciiword, word with words.alike, words.unstemmed""",
    ):
        sql.execute(statement)


@pytest.mark.usefixtures("own")
def test_an_own_configuration(sql: psycopg.Cursor) -> None:
    create(sql, "words.plain", a="the houses of postgresql", b="a house", c="postgres")
    assert column(sql, KEYS, ["houses"]) == ["a"]
    assert column(sql, KEYS, ["house"]) == ["b"]
    assert column(sql, KEYS, ["the of"]) == []
    assert set(column(sql, KEYS, ["postgre"])) == {"a", "c"}
    assert column(sql, KEYS, ['"houses of postgres"']) == ["a"]
    assert column(sql, KEYS, ["houses -postgres"]) == []
    highlight = "select retrieval.highlight('c', 'on postgresql', 'postgres', '[', ']')"
    assert value(sql, highlight) == "on [postgresql]"


@pytest.mark.usefixtures("own")
def test_found_under_any_search_path(sql: psycopg.Cursor) -> None:
    sql.execute("set local search_path = words, pg_catalog")
    create(sql, "plain", a="the houses", b=("a house", "english"))
    add(sql, named=("the houses", "plain"))
    stored = "select text_config from retrieval.{} order by 1 nulls first"
    assert column(sql, stored.format("collections")) == ["words.plain"]
    assert column(sql, stored.format("documents")) == [None, "english", "words.plain"]
    for number, search_path in enumerate(("pg_catalog", "retrieval", "pg_temp", "''")):
        sql.execute(f"set local search_path = {search_path}")
        assert set(column(sql, KEYS, ["houses"])) == {"a", "b", "named"}
        assert column(sql, KEYS, ["house"]) == ["b"]
        add(sql, **{f"x{number}": "anything"})
        sql.execute("update retrieval.chunks set context = 'more'")
    assert len(column(sql, KEYS, ["anything"])) == 4


def test_a_name_without_its_schema(sql: psycopg.Cursor) -> None:
    """Whoever stores a document, and under whichever search path, means the same."""
    make = "create schema {0}; create text search configuration {0}.{1} (copy = simple)"
    for schema, name in (
        ("one", "english"),
        ("one", "plain"),
        ("two", "twice"),
        ("three", "twice"),
    ):
        sql.execute(
            make.format(schema, name).replace("create schema", "create schema if not exists")
        )
    refused = failure(sql, "select retrieval.create_collection('c', 'plain')")
    assert refused.sqlstate == "42501"
    assert refused.diag.message_hint == "grant usage on schema one to retrieval_owner;"
    sql.execute("grant usage on schema one, two, three to retrieval_owner")
    sql.execute("set local search_path = one, two")
    refused = failure(sql, "select retrieval.create_collection('c', 'twice')")
    assert refused.sqlstate == "22023"
    assert refused.diag.message_primary == (
        "text search configuration 'twice' is in several schemas"
    )
    for name in ("english", "plain", "one.english", "two.twice", "PLAIN"):
        sql.execute("select retrieval.create_collection(%s, %s)", [name, name])
    stored = column(sql, "select text_config from retrieval.collections order by collection_id")
    assert stored == ["english", "one.plain", "one.english", "two.twice", "one.plain"]


def test_a_name_that_needs_quotes(sql: psycopg.Cursor) -> None:
    sql.execute('create schema "My Words"; grant usage on schema "My Words" to retrieval_owner')
    sql.execute('create text search configuration "My Words"."it\'s" (copy = german)')
    create(sql, '"My Words"."it\'s"', a="H\u00e4user", b=("houses", "english"))
    assert column(sql, KEYS, ["Haus"]) == ["a"]
    assert column(sql, KEYS, ['"Haus"']) == ["a"]
    assert column(sql, KEYS, ["house -Haus"]) == ["b"]
    assert set(column(sql, KEYS, ["house Haus"])) == {"a", "b"}


@pytest.mark.usefixtures("own")
def test_a_configuration_dropped_later(sql: psycopg.Cursor) -> None:
    create(sql, "words.plain", a="houses", b=("houses", "english"))
    sql.execute("drop text search configuration words.plain")
    errors = [
        failure(sql, KEYS, ["houses"]),
        failure(sql, "select retrieval.highlight('c', 'x', 'y')"),
        failure(sql, "select * from retrieval.put_documents('c', '[{\"document_key\": \"n\"}]')"),
        failure(sql, "update retrieval.chunks set content = 'other'"),
    ]
    for error in errors:
        first, *_ = str(error).splitlines()
        assert first == 'text search configuration "words.plain" does not exist'
        assert error.sqlstate == "42704"
    # nothing is stored half, and there is a way out
    assert column(sql, "select document_key from retrieval.documents order by 1") == ["a", "b"]
    sql.execute("update retrieval.collections set text_config = 'english'")
    assert set(column(sql, KEYS, ["house"])) == {"a", "b"}


def test_another_configuration_indexes_again(sql: psycopg.Cursor) -> None:
    create(sql, a="the houses", b=("the houses", "german"), c="the gardens")
    assert column(sql, LEXEMES) == ["'hous':2", "'hous':2 'the':1", "'garden':2"]
    sql.execute("update retrieval.collections set text_config = 'simple'")
    assert column(sql, LEXEMES) == ["'houses':2 'the':1", "'hous':2 'the':1", "'gardens':2 'the':1"]
    assert set(column(sql, KEYS, ["the"])) == {"a", "b", "c"}
    assert column(sql, KEYS, ["garden"]) == []
    assert column(sql, KEYS, ["gardens"]) == ["c"]
    assert sql.execute("select * from retrieval.statistics_drift('c')").fetchall() == []
    assert Reference(sql, "c").text_configs == ["german", "simple"]
    sql.execute("update retrieval.collections set text_config = 'english'")
    assert column(sql, KEYS, ["garden"]) == ["c"]


@pytest.mark.usefixtures("own")
def test_an_altered_configuration_is_indexed_again_by_touching(sql: psycopg.Cursor) -> None:
    create(sql, "words.plain", a="the houses")
    sql.execute(
        "alter text search configuration words.plain alter mapping for asciiword with english_stem"
    )
    assert column(sql, KEYS, ["house"]) == []
    sql.execute("update retrieval.chunks set content = content")
    assert column(sql, KEYS, ["house"]) == ["a"]
    assert sql.execute("select * from retrieval.statistics_drift('c')").fetchall() == []
