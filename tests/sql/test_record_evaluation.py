"""Evaluations: recorded whole or not at all, listed, and each the tenant's own."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, value

pytestmark = pytest.mark.newest  # what no version of PostgreSQL does differently

QUERIES: list[Any] = [
    {"query_key": "b", "query_text": "one", "measures": {"AP": 0.25}, "milliseconds": 1.5},
    {"query_key": "a", "query_text": "two", "measures": {"AP": 1}, "document_keys": ["x", "y"]},
]
GIVEN: dict[str, Any] = {
    "name": "default",
    "settings": {},
    "context": {"depth": 10},
    "measures": {"AP": {"mean": 0.625, "low": 0.25, "high": 1}},
    "queries": QUERIES,
}


def record(sql: psycopg.Cursor, golden_set: str | None = "mine", **changed: Any) -> str:
    """A statement that records an evaluation."""
    given = {
        name: each if name == "name" else Jsonb(each) for name, each in (GIVEN | changed).items()
    }
    named = ", ".join(f"{name} => %({name})s" for name in given)
    call = f"select retrieval.record_evaluation('c', %(set)s, 3, {named})"
    return psycopg.ClientCursor(sql.connection).mogrify(call, given | {"set": golden_set})


@pytest.fixture
def evaluated(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collection c, empty."""
    sql.execute("select retrieval.create_collection('c')")
    return sql


def test_what_was_recorded_is_listed_newest_first(evaluated: psycopg.Cursor) -> None:
    first = value(evaluated, record(evaluated))
    second = value(evaluated, record(evaluated, None, name="other"))
    listed = "select evaluation_id from retrieval.list_evaluations('c'{})"
    assert column(evaluated, listed.format("")) == [second, first]
    assert column(evaluated, listed.format(", 'mine'")) == [first]
    assert column(evaluated, listed.format(", max_results => 1")) == [second]
    assert column(evaluated, listed.format(f", evaluation_ids => '{{{first}}}'")) == [first]
    row = evaluated.execute("select * from retrieval.list_evaluations('c', 'mine')").fetchone()
    assert (row.golden_set_name, row.golden_set_version, row.name) == ("mine", 3, "default")
    assert (row.settings, row.context, row.measures, row.queries) == (
        *(GIVEN[name] for name in ("settings", "context", "measures")),
        2,
    )
    evaluated.execute("select * from retrieval.evaluation_queries('c', %s)", [first])
    assert [tuple(each) for each in evaluated.fetchall()] == [
        ("a", "two", {"AP": 1}, None, ["x", "y"]),
        ("b", "one", {"AP": 0.25}, 1.5, []),
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "name"),
        ({"settings": []}, "settings"),
        ({"measures": {}}, "measures"),
        ({"measures": {"AP": 1}}, "measures: 'AP'"),
        ({"queries": []}, "queries"),
        ({"queries": [QUERIES[0], {**QUERIES[1], "measures": None}]}, "queries: number 2"),
        ({"queries": [{**QUERIES[0], "milliseconds": "1"}]}, "queries: number 1"),
        ({"queries": [3]}, "queries: number 1"),
        ({"queries": [QUERIES[0], QUERIES[0]]}, "queries: 'b' is there twice"),
    ],
)
def test_what_is_unusable_is_named_and_not_stored(
    evaluated: psycopg.Cursor, changed: dict[str, Any], said: str
) -> None:
    error = failure(evaluated, record(evaluated, **changed))
    assert error.sqlstate == "22023" and str(error).startswith(said)
    assert column(evaluated, "select from retrieval.evaluations") == []


def test_evaluations_are_removed_one_by_one_or_by_age(evaluated: psycopg.Cursor) -> None:
    first, second = (value(evaluated, record(evaluated)) for _ in range(2))
    evaluated.execute("select retrieval.delete_evaluation('c', %s)", [first])
    assert value(evaluated, "select retrieval.trim_evaluations('c', '1 day')") == 0
    assert column(evaluated, "select distinct evaluation_id from retrieval.evaluation_queries") == [
        second
    ]
    assert value(evaluated, "select retrieval.trim_evaluations('c', '0')") == 1
    assert column(evaluated, "select from retrieval.evaluation_queries") == []
    for age in ("null", "'-1 day'"):
        error = failure(evaluated, f"select retrieval.trim_evaluations('c', {age})")
        assert error.sqlstate == "22023"


def test_an_evaluation_is_its_tenants_and_its_collections(evaluated: psycopg.Cursor) -> None:
    mine = value(evaluated, record(evaluated))
    evaluated.execute("select retrieval.create_collection('other')")
    assert failure(evaluated, "select retrieval.list_evaluations('none')").sqlstate == "42704"
    uses = ("evaluation_queries('{}', {})", "delete_evaluation('{}', {})")
    for use in uses:
        error = failure(evaluated, f"select retrieval.{use.format('other', mine)}")
        assert error.sqlstate == "42704"
    evaluated.execute("set local retrieval.tenant = 'acme'")
    assert column(evaluated, "select from retrieval.list_evaluations('c')") == []
    assert value(evaluated, "select retrieval.trim_evaluations('c', '0')") == 0
    for use in uses:
        error = failure(evaluated, f"select retrieval.{use.format('c', mine)}")
        assert error.sqlstate == "42704"
    evaluated.execute("set local retrieval.tenant = ''")
    evaluated.execute("select retrieval.drop_collection('c')")
    assert column(evaluated, "select from retrieval.evaluations") == []
