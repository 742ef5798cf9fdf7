"""Facets count what a filter by the value would find."""

import itertools
import json
from collections import defaultdict
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import column, failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

names = (f"faceted {number}" for number in itertools.count())

FACETS = """
    select key, value::text as value, documents, chunks from retrieval.facets(
        %(collection)s, %(keys)s, %(query)s, %(filter)s, %(operator)s, %(max_values)s,
        %(chunk_ids)s)"""
MATCHES = """
    select chunk_id from retrieval.keyword_search(
        %(collection)s, %(query)s, %(filter)s, 10000, %(operator)s)"""
FILTERED = """
    select count(*) from retrieval.chunks c join retrieval.collections n using (collection_id)
    where n.name = %s and c.metadata @@ retrieval.compile_filter(%s)"""


def facets(
    sql: psycopg.Cursor,
    collection: str,
    keys: list[str],
    query: str | None = None,
    wanted: dict[str, Any] | None = None,
    operator: str = "or",
    max_values: int = 10,
    chunk_ids: list[int] | None = None,
) -> list[tuple[str, Any, int, int]]:
    """Key, value, documents and chunks of each row."""
    parameters = {
        "collection": collection,
        "keys": keys,
        "query": query,
        "filter": wanted and Jsonb(wanted),
        "operator": operator,
        "max_values": max_values,
        "chunk_ids": chunk_ids,
    }
    rows = sql.execute(FACETS, parameters).fetchall()
    return [(row.key, json.loads(row.value), row.documents, row.chunks) for row in rows]


SCALARS = [None, False, True, 0, 1, 2.5, "", "1", "a", "é", "a.b", "[]"]
NESTED = [{}, {"a": 1}, [], [1], ["a", "b"]]
VALUES = st.one_of(
    st.sampled_from(SCALARS), st.sampled_from(NESTED), st.lists(st.sampled_from(SCALARS + NESTED))
)
KEYS = ["k", "", "a.b", "$x", "other"]
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "metadata": st.dictionaries(st.sampled_from(KEYS[:-1]), VALUES),
            "chunks": st.lists(
                st.fixed_dictionaries({"content": st.sampled_from(["fox", "fox owl", "owl", ""])}),
                min_size=1,
                max_size=3,
            ),
        }
    ),
    max_size=8,
)


def scalars(found: Any) -> list[Any]:
    """What of a value is counted."""
    elements = found if isinstance(found, list) else [found]
    return [each for each in elements if not isinstance(each, dict | list)]


def ranked(counts: dict[str, list[int]]) -> list[tuple[str, list[int]]]:
    """By documents, then in the order of jsonb: null, text, numbers, false, true."""

    def key(each: tuple[str, list[int]]) -> tuple[int, int, Any]:
        scalar = json.loads(each[0])
        kind = [type(None), str, int, bool].index(int if type(scalar) is float else type(scalar))
        return -each[1][0], kind, scalar

    return sorted(counts.items(), key=key)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    documents=DOCUMENTS,
    keys=st.permutations(KEYS),
    query=st.sampled_from([None, None, "fox", "fox owl", "fox -owl", '"fox owl"', "bear"]),
    operator=st.sampled_from(["or", "and"]),
    wanted=st.sampled_from([None, {"k": {"$exists": True}}]),
    max_values=st.sampled_from([1, 2, 10]),
    some=st.booleans(),
)
@pytest.mark.newest
def test_random_documents(
    sql: psycopg.Cursor,
    documents: list[dict[str, Any]],
    keys: list[str],
    query: str | None,
    operator: str,
    wanted: dict[str, Any] | None,
    max_values: int,
    some: bool,
) -> None:
    name = next(names)
    sql.execute("select retrieval.create_collection(%s, 'simple')", [name])
    rows = put(sql, name, *({**each, "document_key": str(n)} for n, each in enumerate(documents)))
    parameters = {"collection": name, "filter": None, "query": query, "operator": operator}
    matching = column(sql, MATCHES, parameters) if query else [row.chunk_id for row in rows]
    chosen = [row.chunk_id for row in rows if row.chunk_id % 2] if some else None
    counts: dict[str, dict[str, list[int]]] = {key: defaultdict(lambda: [0, 0]) for key in keys}
    for number, document in enumerate(documents):
        held = sum(
            row.document_key == str(number)
            and row.chunk_id in matching
            and (chosen is None or row.chunk_id in chosen)
            and (wanted is None or "k" in document["metadata"])
            for row in rows
        )
        for key, found in document["metadata"].items() if held else ():
            for scalar in {json.dumps(each) for each in scalars(found)}:
                counts[key][scalar][0] += 1
                counts[key][scalar][1] += held
    expected = [
        (key, json.loads(scalar), *numbers)
        for key in keys
        for scalar, numbers in ranked(counts[key])[:max_values]
    ]
    found = facets(sql, name, keys, query, wanted, operator, max_values, chosen)
    assert json.dumps(found) == json.dumps(expected)
    # no filter can be written on a key that starts with $
    for key, scalar, _, chunks in facets(sql, name, [key for key in keys if key != "$x"]):
        assert value(sql, FILTERED, [name, Jsonb({key: scalar})]) == chunks


@pytest.fixture
def shop(sql: psycopg.Cursor) -> list[int]:
    """The collections shop and other, with the same documents; the chunks of shop."""
    chunks = []
    for name in ("shop", "other"):
        sql.execute("select retrieval.create_collection(%s)", [name])
        documents = (
            {"document_key": key, "content": content, "metadata": {"brand": brand, "tags": tags}}
            for key, content, brand, tags in (
                ("1", "warm jacket", "Foo", ["red", "red", "wool"]),
                ("2", "warm boots", "Bar", ["red"]),
                ("3", "a fan", "Foo", []),
            )
        )
        chunks.append([row.chunk_id for row in put(sql, name, *documents)])
    return chunks[0]


def test_beside_a_search(sql: psycopg.Cursor, shop: list[int]) -> None:
    assert facets(sql, "shop", ["tags", "brand"], "warm") == [
        ("tags", "red", 2, 2),
        ("tags", "wool", 1, 1),
        ("brand", "Bar", 1, 1),
        ("brand", "Foo", 1, 1),
    ]
    assert facets(sql, "shop", ["brand"], max_values=1) == [("brand", "Foo", 2, 2)]
    assert facets(sql, "shop", ["brand"], "warm", {"tags": "wool"}) == [("brand", "Foo", 1, 1)]


def test_the_candidates_of_any_search(sql: psycopg.Cursor, shop: list[int]) -> None:
    chosen = [shop[0], shop[0], shop[2]]
    assert facets(sql, "shop", ["brand"], chunk_ids=chosen) == [("brand", "Foo", 2, 2)]
    assert facets(sql, "other", ["brand"], chunk_ids=chosen) == []
    assert facets(sql, "shop", ["brand"], chunk_ids=[]) == []
    assert facets(sql, "shop", ["brand"], "warm", chunk_ids=chosen) == [("brand", "Foo", 1, 1)]


@pytest.mark.usefixtures("shop")
def test_nothing_to_count(sql: psycopg.Cursor) -> None:
    assert facets(sql, "shop", []) == []
    assert facets(sql, "shop", ["Brand", "brand.name"]) == []
    assert facets(sql, "shop", ["brand"], "") == []
    assert facets(sql, "shop", ["brand"], "the") == []


@pytest.mark.usefixtures("shop")
def test_a_field_that_is_not_ranked_by(sql: psycopg.Cursor) -> None:
    put(sql, "shop", {"document_key": "4", "title": "warm", "metadata": {"brand": "Baz"}})
    assert ("brand", "Baz", 1, 1) in facets(sql, "shop", ["brand"], "warm")
    sql.execute("select retrieval.set_field_weights('shop', '{\"title\": 0}')")
    assert ("brand", "Baz", 1, 1) not in facets(sql, "shop", ["brand"], "warm")


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("'x', array['brand']", "42704", "collection x does not exist"),
        ("'shop', null", "22023", "keys must be names of metadata keys"),
        ("'shop', array['brand', null]", "22023", "keys must be names of metadata keys"),
        ("'shop', array['b', 'a', 'b']", "22023", "keys: 'b' is named more than once"),
        ("'shop', array['brand'], max_values => 0", "22023", "max_values must be between"),
        ("'shop', array['brand'], 'a', '[]'", "22023", "filter"),
        ("'shop', array['brand'], keyword_operator => 'xor'", "22023", "keyword_operator must be"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    error = failure(sql, f"select * from retrieval.facets({arguments})")
    assert error.sqlstate == sqlstate
    assert message in str(error.diag.message_primary)
