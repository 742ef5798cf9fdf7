"""A filter as SQL on a chunk: with indexed keys it finds what the jsonpath finds, and by index."""

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import column, failure, put, value
from test_compile_filter import ATTEMPTS, FILTERS, METADATA

KEYS = ["n", "t", "a.b", "it's", "\u4e66", ""]
CONDITION = """select retrieval._filter_condition(c, %s) from retrieval.collections c
               where c.name = 'c'"""


@pytest.fixture(scope="module")
def indexed(module_database_url: str) -> Iterator[psycopg.Cursor]:
    """A session on the collection c, where n, a.b and 书 are numbers, t, it's and '' texts."""
    with psycopg.connect(module_database_url, autocommit=True) as session:
        session.execute("select retrieval.create_collection('c')")
        put(session, "c", {"document_key": "a"})  # nobody else's: no condition but the filter
        for number, key in enumerate(KEYS):
            kind = "text" if number % 2 else "numeric"
            session.execute("select retrieval.index_metadata('c', %s, %s)", [key, kind])
        yield session.cursor()


def condition(session: psycopg.Cursor, metadata_filter: Any) -> str:
    return value(session, CONDITION, [Jsonb(metadata_filter)]) or "true"


def disagreement(session: psycopg.Cursor, documents: list[Any], metadata_filter: Any) -> list[Any]:
    """The documents of which the SQL says something else than the jsonpath."""
    sql = condition(session, metadata_filter).replace("%", "%%")
    return column(
        session,
        f"""select c.metadata
            from jsonb_array_elements(%s) c(metadata), retrieval.compile_filter(%s) p
            where coalesce({sql}, false) <> coalesce(c.metadata @@ p, {metadata_filter == {}})""",
        [Jsonb(documents), Jsonb(metadata_filter)],
    )


# Values at the borders of what is indexed, and filters of which most parts are

NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 2, 0.5, 1e20, 1e-7]),
    st.builds(
        lambda exponent, more, sign: sign * (10**exponent + more),
        st.sampled_from([30, 400, 999, 1000, 1500]),
        st.sampled_from([0, 7]),
        st.sampled_from([1, -1]),
    ),
)
TEXTS = st.one_of(
    st.sampled_from(
        [*("", "[]", "[", "NaN", "\\", "'", "%s", "\uffff", "\U0001f600", "\u4e66"), "A", "a", "ab"]
    ),
    st.builds(
        lambda length, last: "x" * length + last,
        st.sampled_from([198, 199, 200, 700]),
        st.sampled_from(["", "a", "b", "\U0001f600"]),
    ),
)
SCALARS = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none())
VALUES = st.one_of(
    NUMBERS,
    TEXTS,
    SCALARS,
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=2)
        ),
        max_leaves=4,
    ),
)
DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from([*KEYS, "other"]), VALUES, max_size=6), min_size=1, max_size=6
)
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.one_of(NUMBERS, TEXTS)),
    st.tuples(st.sampled_from(["$eq", "$ne"]), SCALARS),
    st.tuples(
        st.sampled_from(["$in", "$nin", "$contains"]),
        st.one_of(*(st.lists(kind, max_size=3) for kind in (NUMBERS, TEXTS, SCALARS))),
    ),
    st.tuples(st.just("$prefix"), TEXTS),
    st.tuples(st.just("$exists"), st.booleans()),
)
OPERATORS = st.lists(OPERATIONS, min_size=1, max_size=3).map(dict)
CONDITIONS = st.one_of(
    SCALARS,
    OPERATORS,
    OPERATORS,
    st.dictionaries(st.sampled_from(KEYS), OPERATORS, min_size=1, max_size=2),
    OPERATORS.map(lambda operators: {"$not": operators}),
)
CONJUNCTS = st.dictionaries(st.sampled_from([*KEYS, "other"]), CONDITIONS, max_size=3)
CONJUNCTIONS = st.recursive(
    CONJUNCTS,
    lambda inner: st.one_of(
        st.builds(
            lambda beside, parts: beside | {"$and": parts},
            CONJUNCTS,
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(
            lambda beside, name, part: beside | {name: part if name == "$not" else [part]},
            CONJUNCTS,
            st.sampled_from(["$or", "$not"]),
            inner,
        ),
    ),
    max_leaves=4,
)
QUICK = settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(documents=DOCUMENTS, metadata_filter=CONJUNCTIONS)
@example([{"n": [2020, 2023]}, {"n": [[2023]]}, {"n": "2023"}], {"n": {"$gte": 2022}})
@example([{"n": 1}, {"n": [1, 2]}], {"$and": [{"n": 1}, {"n": 2}]})
@example([{"n": 10**1500 + 7}, {"n": 10**1500}], {"n": {"$gt": 10**1500}})
@example([{"t": ["B"]}, {"t": "[]"}, {"t": []}], {"t": {"$gte": "A", "$lt": "a"}})
@example([{"t": ["B"]}, {"t": "[]"}, {"t": ["[]"]}], {"t": "[]"})
@example([{"t": "x" * 199 + "ab"}, {"t": "x" * 200}], {"t": {"$gt": "x" * 199 + "a"}})
@pytest.mark.newest
def test_as_the_jsonpath_says(
    indexed: psycopg.Cursor, documents: list[Any], metadata_filter: Any
) -> None:
    assert disagreement(indexed, documents, metadata_filter) == []


@QUICK
@given(documents=st.lists(METADATA, min_size=1, max_size=6), metadata_filter=FILTERS)
@pytest.mark.newest
def test_as_the_jsonpath_says_of_the_filters_tested_there(
    indexed: psycopg.Cursor, documents: list[Any], metadata_filter: Any
) -> None:
    assert disagreement(indexed, documents, metadata_filter) == []


# What is emitted


def test_without_indexed_keys(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    put(sql, "c", {"document_key": "a"})
    assert value(sql, CONDITION, [None]) is None
    assert value(sql, CONDITION, ["{}"]) is None
    found = condition(sql, {"n": {"$gt": 1}, "it's": "x"})
    assert found == """c.metadata @@ '($."n" > 1 && $."it''s" == "x")'"""


def test_nothing_to_fulfil(indexed: psycopg.Cursor) -> None:
    for nothing in (None, "{}", '{"$and": [{}, {"$and": [{}]}]}'):
        assert value(indexed, CONDITION, [nothing]) is None


@pytest.mark.parametrize(
    "served",
    [
        {"n": 1},
        {"n": {"$eq": 1}},
        {"n": {"$in": [1, 2.5]}},
        {"n": {"$gt": 1}},
        {"n": {"$gte": 1, "$lt": 5}},
        {"n": {"$lte": 10**400}},
        {"t": "x"},
        {"t": {"$in": ["x", ""]}},
        {"t": {"$gte": "x"}},
        {"t": {"$prefix": "x" * 199}},
        {"$and": [{"n": 1}, {"$and": [{"t": "x"}]}]},
    ],
)
def test_what_an_index_serves(indexed: psycopg.Cursor, served: Any) -> None:
    found = condition(indexed, served)
    assert "case jsonb_typeof" in found
    assert not found.startswith("c.metadata @@ ")


@pytest.mark.parametrize(
    "other",
    [
        {"n": "1"},
        {"n": None},
        {"n": {"$in": []}},
        {"n": {"$in": [1, "1"]}},
        {"n": {"$ne": 1}},
        {"n": {"$nin": [1]}},
        {"n": {"$contains": 1}},
        {"n": {"$prefix": "1"}},
        {"n": {"$exists": True}},
        {"n": {"$not": {"$gt": 1}}},
        {"n": {"n": 1}},
        {"t": 1},
        {"t": {"$gt": "x" * 200}},
        {"t": {"$in": ["x", "[]"]}},
        {"other": {"n": {"$gt": 1}}},
        {"$or": [{"n": 1}]},
        {"$not": {"n": 1}},
    ],
)
def test_what_stays_a_jsonpath(indexed: psycopg.Cursor, other: Any) -> None:
    path = value(indexed, "select retrieval.compile_filter(%s)", [Jsonb(other)])
    assert condition(indexed, other) == value(
        indexed, "select 'c.metadata @@ ' || quote_literal(%s)", [path]
    )


def test_the_rest_is_one_jsonpath(indexed: psycopg.Cursor) -> None:
    mixed = {"n": {"$gt": 1, "$ne": 5}, "other": {"$prefix": "x"}, "$or": [{"n": 3}]}
    rest, *others = condition(indexed, mixed).split(" and nullif(")
    assert len(others) == 1
    assert rest.count("@@") == 1
    for part in ("== 5", "== 3", '$."other" starts with "x"'):
        assert part in rest and part not in others[0]


@pytest.mark.parametrize("name", ["$and", "$not", "n"])
def test_as_deep_as_filters_get(indexed: psycopg.Cursor, name: str) -> None:
    nested: Any = {"n": 1}
    for _ in range(150):
        above = {name: [nested] if name == "$and" else nested}
        try:
            with indexed.connection.transaction():
                value(indexed, "select retrieval.compile_filter(%s)", [Jsonb(above)])
        except psycopg.Error:
            break
        nested = above
    assert disagreement(indexed, [{"n": 1}, {"n": 2}, {}], nested) == []
    error = failure(indexed, CONDITION, [Jsonb(above)])
    assert error.sqlstate == "22023"
    assert "100 levels" in str(error)


@pytest.mark.parametrize("malformed", [[], "n", {"n": {}}, {"n": {"$gt": None}}, {"$and": []}])
def test_what_is_no_filter(indexed: psycopg.Cursor, malformed: Any) -> None:
    error = failure(indexed, CONDITION, [Jsonb(malformed)])
    assert error.sqlstate == "22023"
    assert str(error).startswith("metadata filter: ")


@pytest.mark.parametrize("attempt", [*ATTEMPTS, "%I %1$s %%", "\u4e66 \U0001f600", "a.b", "'||'"])
@pytest.mark.parametrize("kind", ["numeric", "text"])
def test_injections_are_data(sql: psycopg.Cursor, attempt: str, kind: str) -> None:
    sql.execute("select retrieval.create_collection('c')")
    meant = attempt if kind == "text" else 5
    put(
        sql,
        "c",
        {"document_key": "meant", "content": "word", "metadata": {attempt: meant}},
        {"document_key": "other", "content": "word", "metadata": {"a": meant}},
    )
    sql.execute("select retrieval.index_metadata('c', %s, %s)", [attempt, kind])
    search = "select document_key from retrieval.keyword_search('c', 'word', %s)"
    for operand in (meant, {"$in": [meant]}, {"$gte": meant}, {"$lte": meant, "$gte": meant}):
        assert "case jsonb_typeof" in condition(sql, {attempt: operand})
        assert column(sql, search, [Jsonb({attempt: operand})]) == ["meant"]
        assert column(sql, search, [Jsonb({"a": operand})]) == ["other"]
        assert column(sql, search, [Jsonb({"a": operand, attempt: operand})]) == []


# Some thousand chunks: the index is used, the estimate is right, the answer the same

CHUNKS = """select c.chunk_id from retrieval.chunks c
            where c.collection_id = {} and {} order by c.chunk_id"""


@pytest.fixture
def filled(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c: five thousand chunks, a few without the keys or with other types."""
    numbers = random.Random(5)
    sql.execute("select retrieval.create_collection('c', 'simple')")

    def metadata(number: int) -> dict[str, Any]:
        match number % 50:
            case 0:
                return {}
            case 1:
                return {"n": [number, -number], "t": [f"t{number}", "\U0001f600"]}
            case 2:
                return {"n": str(number), "t": number}
            case 3:
                return {"n": None, "t": {"t": "t1"}}
        return {"n": numbers.randrange(1000), "t": f"t{numbers.randrange(1000)}", "l": "en"}

    put(
        sql,
        "c",
        *(
            {
                "document_key": str(number),
                "content": f"word {'x ' * numbers.randrange(9)}",
                "metadata": metadata(number),
            }
            for number in range(5000)
        ),
    )
    return sql


def plan(session: psycopg.Cursor, metadata_filter: Any) -> str:
    number = value(session, "select collection_id from retrieval.collections")
    statement = CHUNKS.format(number, condition(session, metadata_filter)).replace("%", "%%")
    return "\n".join(column(session, f"explain analyze {statement}"))


def found(session: psycopg.Cursor, metadata_filter: Any) -> list[int]:
    number = value(session, "select collection_id from retrieval.collections")
    sql = CHUNKS.format(number, condition(session, metadata_filter)).replace("%", "%%")
    return column(session, sql)


RANGES = [
    {"n": {"$gte": 990}},
    {"n": {"$gt": 10, "$lt": 25}},
    {"n": {"$lte": -100}},
    {"n": 7},
    {"n": {"$in": [7, 8, -51]}},
    {"n": {"$gte": 0, "$lt": 30}, "l": "en"},
    {"$and": [{"n": {"$gte": 500}}, {"n": {"$lt": 520}}]},
    {"t": {"$prefix": "t99"}},
    {"t": {"$gte": "t99"}},
    {"t": {"$gt": "t1", "$lt": "t11"}},
    {"t": "t77"},
    {"t": "\U0001f600"},
    {"n": {"$lt": 300}, "t": {"$prefix": "t9"}},
]


def test_the_b_tree_is_used_and_finds_the_same(filled: psycopg.Cursor) -> None:
    before = [found(filled, metadata_filter) for metadata_filter in RANGES]
    assert all(before)
    filled.execute("select retrieval.index_metadata('c', 'n', 'numeric')")
    filled.execute("select retrieval.index_metadata('c', 't', 'text')")
    assert [found(filled, metadata_filter) for metadata_filter in RANGES] == before
    names = column(
        filled, "select indexname from pg_indexes where indexname ~ '_metadata_[0-9a-f]+$'"
    )
    assert len(names) == 2
    for metadata_filter in RANGES:
        shown = plan(filled, metadata_filter)
        assert "BitmapOr" in shown, shown
        assert any(f"Bitmap Index Scan on {name}" in shown for name in names), shown
        assert "Seq Scan" not in shown, shown


def test_the_planner_knows_how_many(filled: psycopg.Cursor) -> None:
    filled.execute("select retrieval.index_metadata('c', 'n', 'numeric')")
    number = value(filled, "select collection_id from retrieval.collections")
    for bound in (100, 300, 500, 990):
        sql = CHUNKS.format(number, condition(filled, {"n": {"$lt": bound}}))
        (shown,) = value(filled, f"explain (format json) {sql}")
        estimated = shown["Plan"]["Plan Rows"]
        counted = len(found(filled, {"n": {"$lt": bound}}))
        assert 0.5 * counted < estimated < 2 * counted, (bound, estimated, counted)


def test_ten_thousand_values(filled: psycopg.Cursor) -> None:
    many = {"n": {"$in": list(range(-5000, 5000))}}
    filled.execute("select retrieval.index_metadata('c', 'n', 'numeric')")
    assert len(found(filled, many)) == 4700
    assert len(found(filled, many | {"t": {"$gt": "u"}})) == 100


def test_keyword_search_finds_and_explains_the_same(filled: psycopg.Cursor) -> None:
    search = "select chunk_id, score from retrieval.keyword_search('c', 'x word', %s, 50)"
    explain = "select * from retrieval.explain_keyword_search('c', 'x word', %s, 3)"
    before = [
        [filled.execute(statement, [Jsonb(each)]).fetchall() for each in RANGES]
        for statement in (search, explain)
    ]
    filled.execute("select retrieval.index_metadata('c', 'n', 'numeric')")
    filled.execute("select retrieval.index_metadata('c', 't', 'text')")
    assert before == [
        [filled.execute(statement, [Jsonb(each)]).fetchall() for each in RANGES]
        for statement in (search, explain)
    ]
