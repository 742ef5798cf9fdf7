"""Occurrences in a title or a context can count more than those in the content."""

import json

import psycopg
import pytest
from bm25 import Reference
from statements import column, failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

TEXTS = [
    ("fox", "fox bear", "fox fox cat"),
    ("fox fox", "", "dog dog"),
    ("bear", "fox", "fox fox fox"),
    (None, "bear", "dog"),
    ("dog", "cat cat", ""),
    (None, "", "fox " * 20),
    ("cat dog", "dog", "bear bear bear fox"),
]


@pytest.fixture
def reference(sql: psycopg.Cursor) -> Reference:
    """The collection c, with every mixture of fields."""
    sql.execute("select retrieval.create_collection('c')")
    put(
        sql,
        "c",
        *(
            {
                "document_key": str(number),
                "title": title,
                "chunks": [{"context": context, "content": content}],
            }
            for number, (title, context, content) in enumerate(TEXTS)
        ),
    )
    return Reference(sql, "c")


@pytest.mark.parametrize("query", ["fox", "fox bear", "cat dog dog", "fox bear cat dog"])
@pytest.mark.parametrize(
    ("field_weights", "fields"),
    [
        ({}, (1, 1, 1)),
        ({"title": 2}, (2, 1, 1)),
        ({"title": 2, "context": 1.5}, (2, 1.5, 1)),
        ({"content": 3}, (1, 1, 3)),
        ({"title": 0.3, "context": 0.2, "content": 0.1}, (0.3, 0.2, 0.1)),
        ({"title": 1000, "content": 0.001}, (1000, 1, 0.001)),
        ({"title": 0}, (0, 1, 1)),
        ({"context": 0}, (1, 0, 1)),
        ({"content": 0}, (1, 1, 0)),
        ({"title": 0, "content": 0}, (0, 1, 0)),
        ({"context": 0, "content": 0}, (1, 0, 0)),
    ],
)
def test_the_formula(
    sql: psycopg.Cursor,
    reference: Reference,
    query: str,
    field_weights: dict[str, float],
    fields: tuple[float, float, float],
) -> None:
    search = """select chunk_id, score from retrieval.keyword_search(
                    'c', %s, max_results => %s, field_weights => %s)"""
    expected = reference.search(reference.words(query), fields)
    assert expected
    for max_results in (1, 2, 100):
        found = sql.execute(search, [query, max_results, json.dumps(field_weights)]).fetchall()
        best = expected[:max_results]
        assert [hit.chunk_id for hit in found] == [chunk_id for chunk_id, _ in best]
        assert [hit.score for hit in found] == pytest.approx([s for _, s in best], abs=1e-9)


SCORES = "select score from retrieval.keyword_search('c', 'fox bear', field_weights => %s)"
SET = "select retrieval.set_field_weights('c', %s)"


@pytest.mark.usefixtures("reference")
def test_a_collection_keeps_its_weights(sql: psycopg.Cursor) -> None:
    plain = column(sql, SCORES, [None])
    weighted = column(sql, SCORES, ['{"title": 5}'])
    assert plain != weighted
    sql.execute(SET, ['{"title": 5}'])
    assert column(sql, SCORES, [None]) == weighted
    assert column(sql, SCORES, ["{}"]) == plain  # those of the call replace them
    settings = "select settings from retrieval.collections where name = 'c'"
    assert value(sql, settings) == {"field_weights": {"title": 5}}
    sql.execute(SET, ['{"content": 2}'])
    assert value(sql, settings) == {"field_weights": {"content": 2}}
    sql.execute(SET, [None])
    assert value(sql, settings) == {}
    assert column(sql, SCORES, [None]) == plain


@pytest.mark.usefixtures("reference")
def test_other_settings_stay(sql: psycopg.Cursor) -> None:
    sql.execute("update retrieval.collections set settings = '{\"mine\": 1}' where name = 'c'")
    sql.execute(SET, ['{"title": 5}'])
    sql.execute(SET, [None])
    assert value(sql, "select settings from retrieval.collections where name = 'c'") == {"mine": 1}


@pytest.mark.usefixtures("reference")
def test_hybrid_search_takes_the_collections_weights(sql: psycopg.Cursor) -> None:
    search = "select document_key, keyword_score from retrieval.hybrid_search('c', 'fox bear')"
    keyword = "select document_key, score from retrieval.keyword_search('c', 'fox bear')"
    before = sql.execute(search).fetchall()
    sql.execute(SET, ['{"title": 50, "content": 0}'])
    after = sql.execute(search).fetchall()
    assert [tuple(hit) for hit in after] == [tuple(hit) for hit in sql.execute(keyword)]
    assert [tuple(hit) for hit in after] != [tuple(hit) for hit in before]


@pytest.mark.usefixtures("reference")
def test_a_field_without_weight_finds_nothing(sql: psycopg.Cursor) -> None:
    put(sql, "c", *({"document_key": f"x{n}", "content": "zebra " * n} for n in range(1, 20)))
    put(sql, "c", {"document_key": "t", "title": "zebra", "content": "something"})
    search = """select document_key from retrieval.keyword_search(
                    'c', %s, field_weights => %s, max_results => %s)"""
    for most in (1, 5, 100):
        assert column(sql, search, ["zebra", '{"content": 0}', most]) == ["t"]
        assert column(sql, search, ['"zebra"', '{"content": 0}', most]) == ["t"]
        assert "t" not in column(sql, search, ["zebra", '{"title": 0}', most])
        assert column(sql, search, ["zebra", '{"content": 0, "title": 0}', most]) == []
    assert len(column(sql, search, ["zebra", '{"title": 0}', 100])) == 19


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(
    "statement",
    [
        "select * from retrieval.keyword_search('c', 'fox', field_weights => %s)",
        "select * from retrieval.explain_keyword_search('c', 'fox', field_weights => %s)",
        "select retrieval.set_field_weights('c', %s)",
    ],
)
@pytest.mark.parametrize(
    ("field_weights", "named"),
    [
        ("[]", "must be an object"),
        ("null", "must be an object"),
        ("2", "must be an object"),
        ('"title"', "must be an object"),
        ('{"body": 1}', "must be one of title, context, content, not 'body'"),
        ('{"A": 1}', "not 'A'"),
        ('{"": 1}', "not ''"),
        ('{"title": "2"}', 'title must be a number from 0 to 1000, not "2"'),
        ('{"title": null}', "title must be a number"),
        ('{"title": true}', "title must be a number"),
        ('{"title": [1]}', "title must be a number"),
        ('{"context": -0.1}', "context must be a number from 0 to 1000, not -0.1"),
        ('{"content": 1000.5}', "content must be a number"),
        ('{"content": 1e400}', "content must be a number"),
        ('{"title": 0, "context": 0, "content": 0}', "must not all be 0"),
    ],
)
def test_unusable_weights(
    sql: psycopg.Cursor, statement: str, field_weights: str, named: str
) -> None:
    error = failure(sql, statement, [field_weights])
    assert error.sqlstate == "22023"
    assert str(error).startswith("field_weights")
    assert named in str(error).splitlines()[0]
    assert value(sql, "select settings from retrieval.collections where name = 'c'") == {}


def test_unknown_collections(sql: psycopg.Cursor) -> None:
    assert failure(sql, "select retrieval.set_field_weights('x', '{}')").sqlstate == "42704"
    assert failure(sql, "select retrieval.set_field_weights(null, '{}')").sqlstate == "42704"
