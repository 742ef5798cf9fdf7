"""What is no boost raises one error that names its number and its key."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from statements import column, failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

CHECK = "select retrieval._check_boosts(%s, '2026-01-31T12:00Z')"
DECAY = {"field": "n", "decay": "linear", "origin": 1, "scale": 2}
DATES = {"field": "d", "decay": "linear", "origin": "now", "scale": "1 day"}
VALUES = {"field": "v", "values": {"a": 2}}
MORE = {"field": "m", "modifier": "sqrt"}


def without(boost: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in boost.items() if name != key}


KINDS = ": exactly one of decay, values and modifier must be given, not "
CHOICES = ": decay must be one of gaussian, exponential, linear, not "
MODIFIERS = ": modifier must be one of none, log1p, sqrt, not "
ORIGIN = ': origin must be "now" or a date or timestamp of ISO 8601, not '
SCALE = ': scale must be an interval above 0 such as "30 days", not '
OFFSET = ': offset must be an interval from 0 such as "30 days", not '
OBJECT = ': values must be an object such as {"BMW": 1.5}, not '


@pytest.mark.parametrize(
    ("boost", "message"),
    [
        ("brand", ' must be an object, not "brand"'),
        (None, " must be an object, not null"),
        ([DECAY], " must be an object, not ["),
        (without(DECAY, "field"), ": field must be a key or an array of keys, not null"),
        ({**DECAY, "field": 3}, ": field must be a key or an array of keys, not 3"),
        ({**DECAY, "field": []}, ": field must be a key or an array of keys, not []"),
        ({**DECAY, "field": ["a", 3]}, ': field must be a key or an array of keys, not ["a", 3]'),
        ({"field": "a"}, KINDS + "none"),
        ({**DECAY, **VALUES}, KINDS + "decay and values"),
        ({**DECAY, **VALUES, **MORE}, KINDS + "decay and values and modifier"),
        ({**DECAY, "sclae": 1}, ': unknown key "sclae", beside decay there may be field, missing'),
        ({**VALUES, "weight": 1}, ': unknown key "weight", beside values there may be field'),
        ({**MORE, "origin": 1}, ': unknown key "origin", beside modifier there may be field'),
        ({**DECAY, "decay": "gauss"}, CHOICES + '"gauss"'),
        ({**DECAY, "decay": None}, CHOICES + "null"),
        ({**DECAY, "decay": 0.5}, CHOICES + "0.5"),
        (without(DECAY, "origin"), ": origin must be a number, not null"),
        ({**DECAY, "origin": None}, ": origin must be a number, not null"),
        (without(DECAY, "scale"), ": scale must be a number above 0, not null"),
        ({**DECAY, "scale": -1}, ": scale must be a number above 0, not -1"),
        ({**DECAY, "scale": 0}, ": scale must be a number above 0, not 0"),
        ({**DECAY, "scale": 1e-300}, ": scale must be a number above 0, not 0.000"),
        ({**DECAY, "offset": -0.5}, ": offset must be a number from 0, not -0.5"),
        ({**DECAY, "offset": "1 day"}, ': offset must be a number from 0, not "1 day"'),
        ({**DECAY, "offset": None}, ": offset must be a number from 0, not null"),
        ({**DECAY, "decay_to": 0}, ": decay_to must be a number above 0 and below 1, not 0"),
        ({**DECAY, "decay_to": 1}, ": decay_to must be a number above 0 and below 1, not 1"),
        ({**DECAY, "decay_to": "1"}, ': decay_to must be a number above 0 and below 1, not "1"'),
        ({**DECAY, "weight": 1.1}, ": weight must be a number from 0 to 1, not 1.1"),
        ({**DECAY, "weight": True}, ": weight must be a number from 0 to 1, not true"),
        ({**DECAY, "missing": -1}, ": missing must be a number from 0 to 1000, not -1"),
        ({**DECAY, "missing": 1001}, ": missing must be a number from 0 to 1000, not 1001"),
        ({**DECAY, "origin": "now"}, SCALE + "2"),
        ({**DECAY, "scale": "1 day"}, ORIGIN + "1"),
        ({**DATES, "origin": "2026-02-30"}, ORIGIN + '"2026-02-30"'),
        ({**DATES, "origin": "yesterday"}, ORIGIN + '"yesterday"'),
        ({**DATES, "origin": None}, ORIGIN + "null"),
        (without(DATES, "scale"), SCALE + "null"),
        ({**DATES, "scale": "soon"}, SCALE + '"soon"'),
        ({**DATES, "scale": "30"}, SCALE + '"30"'),
        ({**DATES, "scale": "-1 day"}, SCALE + '"-1 day"'),
        ({**DATES, "scale": "0 days"}, SCALE + '"0 days"'),
        ({**DATES, "scale": "infinity"}, SCALE + '"infinity"'),
        ({**DATES, "scale": "99999999999 years"}, SCALE + '"99999999999 years"'),
        ({**DATES, "offset": 7}, OFFSET + "7"),
        ({**DATES, "offset": "-1 day"}, OFFSET + '"-1 day"'),
        ({**VALUES, "values": ["a"]}, OBJECT + '["a"]'),
        ({**VALUES, "values": None}, OBJECT + "null"),
        ({**VALUES, "values": {"b": -1}}, ': the weight of "b" must be a number from 0 to 1000'),
        ({**VALUES, "values": {"a": "1"}}, ': the weight of "a" must be a number from 0 to 1000'),
        ({**VALUES, "default": -1}, ": default must be a number from 0 to 1000, not -1"),
        ({**MORE, "modifier": "square"}, MODIFIERS + '"square"'),
        ({**MORE, "modifier": None}, MODIFIERS + "null"),
        ({**MORE, "weight": -1}, ": weight must be a number from 0 to 1000, not -1"),
    ],
)
def test_what_is_no_boost(sql: psycopg.Cursor, boost: Any, message: str) -> None:
    error = failure(sql, CHECK, [Jsonb([VALUES, boost, {"field": "x", "decay": "last"}])])
    assert error.sqlstate == "22023"
    assert error.diag.message_primary.startswith("boost 2" + message)


@pytest.mark.parametrize(
    ("boosts", "message"),
    [
        (None, "boosts must be an array of objects such as"),
        ("null", "boosts must be an array of objects such as"),
        ("3", "boosts must be an array of objects such as"),
        (Jsonb([VALUES] * 33), "there may be 32 boosts, not 33"),
        (Jsonb({**VALUES, "field": None}), "boost 1: field must be"),
    ],
)
def test_what_are_no_boosts(sql: psycopg.Cursor, boosts: Any, message: str) -> None:
    error = failure(sql, CHECK, [boosts])
    assert error.sqlstate == "22023"
    assert message in error.diag.message_primary


def test_defaults(sql: psycopg.Cursor) -> None:
    dates = {"field": "d", "decay": "linear", "scale": "P1D"}
    common = {"decay_to": 0.5, "weight": 1, "missing": 1}
    assert value(sql, CHECK, [Jsonb([DECAY, dates, VALUES, MORE])]) == [
        common
        | {"kind": "linear", "dates": False, "origin": 1, "scale": 2, "offset": 0}
        | {"field": "n", "path": ["n"]},
        common
        | {"kind": "linear", "dates": True, "origin": 1769860800, "scale": 86400, "offset": 0}
        | {"field": "d", "path": ["d"]},
        {"kind": "values", "values": {"a": 2}, "default": 1, "missing": 1}
        | {"field": "v", "path": ["v"]},
        {"kind": "sqrt", "weight": 1, "missing": 1, "field": "m", "path": ["m"]},
    ]
    assert value(sql, CHECK, [Jsonb(MORE)]) == value(sql, CHECK, [Jsonb([MORE])])
    assert value(sql, CHECK, [Jsonb([])]) == []
    assert len(value(sql, CHECK, [Jsonb([MORE] * 32)])) == 32


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("'x', '{1}', '{1}', '[]'", "42704", "collection x does not exist"),
        ("'c', array[%(chunk)s], '{-1}', '[]'", "22023", "must not be negative, but is -1"),
        # as every function that takes a ranking
        ("'c', array[%(chunk)s], '{NaN}', '[]'", "22023", "must be a number up to 1e100, not NaN"),
        ("'c', '{0}', '{1}', '[]'", "42704", "chunk 0 does not exist in collection c"),
        ("'c', '{}', '{}', null", "22023", "boosts must be an array of objects"),
        ("'c', '{}', '{}', '[1]'", "22023", "boost 1 must be an object, not 1"),
        ("'c', '{}', '{}', '[]', null", "22023", "reference_time must be a time, not null"),
        ("'c', '{}', '{}', '[]', 'infinity'", "22023", "reference_time must be a time, not inf"),
    ],
)
def test_unusable_arguments(
    sql: psycopg.Cursor, arguments: str, sqlstate: str, message: str
) -> None:
    sql.execute("select retrieval.create_collection('c')")
    (row,) = put(sql, "c", {"document_key": "k", "content": "x"})
    error = failure(sql, f"select * from retrieval.boost({arguments})", {"chunk": row.chunk_id})
    assert error.sqlstate == sqlstate
    assert message in error.diag.message_primary


ATTEMPTS = [
    "'; drop schema retrieval cascade; --",
    "a') as value1, pg_sleep(10) --",
    "%L %s %1$s $1 $3 {} :name",
    "\\",
    "\\'; select 1; --",
    "a $$; select 1; $$",
    "s.raw1",
    "{a,b}",
    "/* b */ -- c\n",
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_injections_are_data(sql: psycopg.Cursor, attempt: str) -> None:
    sql.execute("select retrieval.create_collection('c')")
    metadata = [{attempt: {attempt: attempt}}, {"a": {"b": "c"}}]
    rows = put(
        sql,
        "c",
        *({"document_key": str(n), "content": "x", "metadata": m} for n, m in enumerate(metadata)),
    )
    boosts = [
        {"field": [attempt, attempt], "values": {attempt: 3}},
        {"field": attempt, "decay": "linear", "origin": 0, "scale": 1, "missing": 2},
    ]
    for conforming in ("on", "off"):
        sql.execute(f"set standard_conforming_strings = {conforming}")
        found = column(
            sql,
            "select boosted_score from retrieval.boost('c', %s, '{1,1}', %s)",
            [[row.chunk_id for row in rows], Jsonb(boosts)],
        )
        assert found == [6, 2]
