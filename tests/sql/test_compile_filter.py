"""Metadata filters: the truth of every operator, checked against Python; and what is no filter."""

import json
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import column, failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

MATCHES = "select %s::jsonb @@ retrieval.compile_filter(%s)"

# The same language in Python


def kind(item: Any) -> str:
    if isinstance(item, bool):
        return "boolean"
    return "number" if isinstance(item, int | float) else type(item).__name__


def equal(item: Any, operand: Any) -> bool:
    return kind(item) == kind(operand) and not isinstance(item, dict | list) and item == operand


def below(one: Any, other: Any) -> bool:
    return kind(one) == kind(other) and kind(one) in ("number", "str") and one < other


def unwrapped(items: list[Any]) -> list[Any]:
    return [part for item in items for part in (item if isinstance(item, list) else [item])]


def reach(metadata: dict[str, Any], path: list[str]) -> list[Any]:
    items = [metadata]
    for key in path:
        items = [part[key] for part in unwrapped(items) if isinstance(part, dict) and key in part]
    return items


def compare(found: list[Any], operator: str, operand: Any) -> bool:
    items = unwrapped(found)
    match operator:
        case "$eq":
            return any(equal(item, operand) for item in items)
        case "$ne":
            return not compare(found, "$eq", operand)
        case "$gt":
            return any(below(operand, item) for item in items)
        case "$gte":
            return any(below(operand, item) or equal(item, operand) for item in items)
        case "$lt":
            return any(below(item, operand) for item in items)
        case "$lte":
            return any(below(item, operand) or equal(item, operand) for item in items)
        case "$in":
            return any(compare(found, "$eq", choice) for choice in operand)
        case "$nin":
            return not compare(found, "$in", operand)
        case "$contains":
            wanted = operand if isinstance(operand, list) else [operand]
            return all(compare(found, "$eq", part) for part in wanted)
        case "$prefix":
            return any(isinstance(item, str) and item.startswith(operand) for item in items)
        case "$exists":
            return bool(found) == operand
    raise AssertionError(operator)


def behind(metadata: dict[str, Any], path: list[str], condition: Any) -> bool:
    if not isinstance(condition, dict):
        return compare(reach(metadata, path), "$eq", condition)
    return all(
        not behind(metadata, path, operand)
        if name == "$not"
        else compare(reach(metadata, path), name, operand)
        if name.startswith("$")
        else behind(metadata, [*path, name], operand)
        for name, operand in condition.items()
    )


def matches(metadata: dict[str, Any], metadata_filter: dict[str, Any]) -> bool:
    def member(name: str, operand: Any) -> bool:
        match name:
            case "$and":
                return all(matches(metadata, part) for part in operand)
            case "$or":
                return any(matches(metadata, part) for part in operand)
            case "$not":
                return not matches(metadata, operand)
        return behind(metadata, [name], operand)

    return all(member(name, operand) for name, operand in metadata_filter.items())


# Random metadata and filters

KEYS = st.sampled_from(
    ["a", "b", "", 'q"q', "it's", "a.b", "x$y", "\\", "\\u0041", "\u4e66", "\n", "*", "%s", "/"]
)
STRINGS = st.sampled_from(
    [
        "",
        "a",
        "ab",
        "abc",
        "b",
        "B",
        'q"',
        "'",
        "\\",
        "$",
        "$a",
        "\u4e66",
        "\u4e66\u7c4d",
        "\U0001f600",
        "%",
        "\t",
        "1",
        "null",
    ]
)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 0.5, -0.5, 1e20, 10**30, 1e-7])
SCALARS = st.one_of(STRINGS, NUMBERS, st.booleans(), st.none())
OBJECTS = st.dictionaries(KEYS, SCALARS, max_size=3)
VALUES = st.one_of(SCALARS, st.lists(st.one_of(SCALARS, OBJECTS), max_size=3), OBJECTS)
METADATA = st.dictionaries(KEYS, VALUES, max_size=4)

OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), SCALARS),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.one_of(STRINGS, NUMBERS)),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, max_size=4)),
    st.tuples(st.just("$contains"), st.one_of(SCALARS, st.lists(SCALARS, max_size=3))),
    st.tuples(st.just("$prefix"), STRINGS),
    st.tuples(st.just("$exists"), st.booleans()),
)
OPERATORS = st.lists(OPERATIONS, min_size=1, max_size=2).map(dict)
CONDITIONS = st.recursive(
    st.one_of(SCALARS, OPERATORS),
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, min_size=1, max_size=2),
        OPERATORS.map(lambda operators: {"$not": operators}),
    ),
    max_leaves=3,
)
FILTERS = st.recursive(
    st.dictionaries(KEYS, CONDITIONS, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$or": parts}),
        inner.map(lambda part: {"$not": part}),
        st.tuples(inner, inner).map(lambda parts: {"$not": parts[0], "$or": [parts[1]]}),
    ),
    max_leaves=5,
)


@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(documents=st.lists(METADATA, min_size=1, max_size=6), metadata_filter=FILTERS)
@pytest.mark.newest
def test_as_python_says(
    sql: psycopg.Cursor, documents: list[dict[str, Any]], metadata_filter: dict[str, Any]
) -> None:
    found = column(
        sql,
        """select coalesce(d.metadata @@ p.path, false)
           from jsonb_array_elements(%s) with ordinality d(metadata, number),
                (select retrieval.compile_filter(%s)) p(path) order by d.number""",
        [Jsonb(documents), Jsonb(metadata_filter)],
    )
    assert found == [matches(metadata, metadata_filter) for metadata in documents]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (5, [5, [4, 5]]),
        ({"$eq": "5"}, ["5"]),
        ({"$eq": None}, [None]),
        ({"$ne": 5}, ["5", 7, None, True, [], [6], {"b": 1}, ...]),
        ({"$gt": 5}, [7, [6]]),
        ({"$gte": 5}, [5, 7, [4, 5], [6]]),
        ({"$lt": 7, "$gt": 4}, [5, [4, 5], [6]]),
        ({"$lt": "6"}, ["5"]),
        ({"$in": [5, "5", None]}, [5, "5", None, [4, 5]]),
        ({"$in": []}, []),
        ({"$nin": [5, 6]}, ["5", 7, None, True, [], {"b": 1}, ...]),
        ({"$nin": []}, [5, "5", 7, None, True, [], [4, 5], [6], {"b": 1}, ...]),
        ({"$contains": [4, 5]}, [[4, 5]]),
        ({"$contains": 5}, [5, [4, 5]]),
        ({"$prefix": ""}, ["5"]),
        ({"$exists": True}, [5, "5", 7, None, True, [], [4, 5], [6], {"b": 1}]),
        ({"$exists": False}, [...]),
        ({"$not": {"$gt": 5}}, [5, "5", None, True, [], [4, 5], {"b": 1}, ...]),
        ({"$not": {"$exists": True}}, [...]),
        ({"b": 1}, [{"b": 1}]),
        ({"b": {"$ne": 1}}, [5, "5", 7, None, True, [], [4, 5], [6], ...]),
    ],
)
def test_by_example(sql: psycopg.Cursor, condition: Any, found: list[Any]) -> None:
    values = [5, "5", 7, None, True, [], [4, 5], [6], {"b": 1}, ...]
    kept = [
        item
        for item in values
        if value(sql, MATCHES, [Jsonb({} if item is ... else {"a": item}), Jsonb({"a": condition})])
    ]
    assert kept == found


def test_no_filter(sql: psycopg.Cursor) -> None:
    for nothing in (None, "{}"):
        assert value(sql, "select retrieval.compile_filter(%s)", [nothing]) is None
    assert value(sql, MATCHES, ["{}", Jsonb({"$or": [{}]})])
    assert not value(sql, MATCHES, ["{}", Jsonb({"$not": {}})])


@pytest.mark.parametrize("depth", [1, 2, 45, 90])
def test_deep_filters(sql: psycopg.Cursor, depth: int) -> None:
    inside: Any = {"$not": {"a": {"$gte": 1}}}
    path: Any = {"$gte": 1}
    for _ in range(depth - 1):
        inside, path = {"$not": inside}, {"$not": path}
    for metadata in ({"a": 1}, {"a": 0}, {}):
        expected = (metadata.get("a", 0) >= 1) == (depth % 2 == 0)
        assert value(sql, MATCHES, [Jsonb(metadata), Jsonb(inside)]) is expected
        expected = (metadata.get("a", 0) >= 1) == (depth % 2 == 1)
        assert value(sql, MATCHES, [Jsonb(metadata), Jsonb({"a": path})]) is expected


@pytest.mark.parametrize("name", ["$not", "$and", "key"])
def test_too_deep(sql: psycopg.Cursor, name: str) -> None:
    nested: Any = {"a": 1}
    for _ in range(150):
        nested = {name: [nested] if name == "$and" else nested}
    error = failure(sql, "select retrieval.compile_filter(%s)", [Jsonb(nested)])
    assert error.sqlstate == "22023"
    assert "100 levels" in str(error)


def test_ten_thousand_values(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(
        sql,
        "c",
        *({"document_key": str(n), "content": "word", "metadata": {"n": n}} for n in range(-5, 5)),
    )
    search = "select document_key::integer from retrieval.keyword_search('c', 'word', %s)"
    many = list(range(10_000))
    assert sorted(column(sql, search, [Jsonb({"n": {"$in": many}})])) == list(range(5))
    assert sorted(column(sql, search, [Jsonb({"n": {"$nin": many}})])) == list(range(-5, 0))
    assert sorted(column(sql, search, [Jsonb({"$or": [{"n": n} for n in many]})])) == list(range(5))


@pytest.mark.parametrize(
    ("metadata_filter", "named"),
    [
        ([], "array"),
        ("a", "string"),
        (None, "null"),
        (3, "number"),
        ({"$where": 1}, '"$where"'),
        ({"": {"$like": 1}}, '"$like" on key ""'),
        ({"a": {"$like": "x"}}, '"$like" on key "a"'),
        ({"a": {"$Eq": 1}}, '"$Eq" on key "a"'),
        ({"a": {"$": 1}}, '"$" on key "a"'),
        ({"a": {}}, 'key "a" has no condition'),
        ({"a": {"b": {}}}, 'key "b" has no condition'),
        ({"a": {"$gt": 1, "b": 2}}, 'key "a" mixes'),
        ({"a": [1]}, 'key "a"'),
        ({"a": {"$eq": {"b": 1}}}, '$eq on key "a"'),
        ({"a": {"$ne": [1]}}, '$ne on key "a"'),
        ({"a": {"$gt": None}}, '$gt on key "a"'),
        ({"a": {"$lte": True}}, '$lte on key "a"'),
        ({"a": {"$lt": []}}, '$lt on key "a"'),
        ({"a": {"$in": 1}}, '$in on key "a"'),
        ({"a": {"$nin": {}}}, '$nin on key "a"'),
        ({"a": {"$in": [[1]]}}, '$in on key "a"'),
        ({"a": {"$contains": {"b": 1}}}, '$contains on key "a"'),
        ({"a": {"$prefix": 1}}, '$prefix on key "a"'),
        ({"a": {"$exists": "yes"}}, '$exists on key "a"'),
        ({"a": {"$not": 1}}, '$not on key "a"'),
        ({"a": {"$and": [{"$gt": 1}]}}, '"$and" on key "a"'),
        ({"$and": []}, "$and"),
        ({"$or": {"a": 1}}, "$or"),
        ({"$or": [1]}, "number"),
        ({"$not": [{"a": 1}]}, "array"),
        ({'q"\\': {"$like": 1}}, json.dumps('q"\\')),
    ],
)
def test_what_is_no_filter(sql: psycopg.Cursor, metadata_filter: Any, named: str) -> None:
    error = failure(sql, "select retrieval.compile_filter(%s)", [Jsonb(metadata_filter)])
    assert error.sqlstate == "22023"
    assert str(error).startswith("metadata filter: ")
    assert named in str(error).splitlines()[0]


ATTEMPTS = [
    'a" == 1 || 1 == 1 || $."a',
    '" || 1 == 1 || "" == "',
    "a') or true; drop table retrieval.chunks; --",
    "'; drop schema retrieval cascade; --",
    "\\",
    '\\"',
    "\\') || (1 == 1",
    "a $$; select 1; $$",
    "%L %s $1 {} :name",
    "a /* b */ -- c",
    "?(@ == 1)",
    "a\nb",
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_injections_are_data(sql: psycopg.Cursor, attempt: str) -> None:
    sql.execute("select retrieval.create_collection('c')")
    sql.execute("select retrieval.create_space('c', 's', 'm', 2)")
    rows = put(
        sql,
        "c",
        {"document_key": "meant", "content": "word", "metadata": {attempt: attempt}},
        {"document_key": "other", "content": "word", "metadata": {"a": 1}},
    )
    for row in rows:
        sql.execute(
            "select retrieval.put_embeddings('c', 's', %s, '{\"[1,0]\"}')", [[row.chunk_id]]
        )
    for condition in (
        attempt,
        {"$in": [attempt]},
        {"$prefix": attempt},
        {"$contains": attempt},
        {"$gte": attempt},
    ):
        for search in (
            "select document_key from retrieval.keyword_search('c', 'word', %s)",
            "select document_key from retrieval.semantic_search('c', '[1,0]', %s, space => 's')",
            "select document_key from retrieval.hybrid_search"
            "('c', 'word', '[1,0]', metadata_filter => %s, space => 's')",
        ):
            assert column(sql, search, [Jsonb({attempt: condition})]) == ["meant"]
            assert column(sql, search, [Jsonb({"a": condition})]) == []
            assert (
                column(sql, search, [Jsonb({"a": {"$not": {"$eq": attempt}}, attempt: None})]) == []
            )
