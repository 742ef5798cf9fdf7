"""Boosts are what Elasticsearch's formulas say in Python, whatever the metadata holds."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from statements import column, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

BOOST = "select * from retrieval.boost('c', %s, %s, %s, %s)"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = 86400

Boost = Mapping[str, Any]


def store(sql: psycopg.Cursor, *metadata: dict[str, Any]) -> list[int]:
    """A chunk of the collection c for each; returns their ids."""
    if not value(sql, "select count(*) from retrieval.collections"):
        sql.execute("select retrieval.create_collection('c')")
    documents = [
        {"document_key": f"{n:03}", "content": "word", "metadata": each}
        for n, each in enumerate(metadata)
    ]
    return [row.chunk_id for row in put(sql, "c", *documents)]


def boost(
    sql: psycopg.Cursor, chunks: list[int], boosts: Any, scores: list[float] | None = None
) -> list[Any]:
    given = [float(each) for each in scores or [1] * len(chunks)]
    return sql.execute(BOOST, [chunks, given, Jsonb(boosts), NOW]).fetchall()


def factors(sql: psycopg.Cursor, boosts: Any, *metadata: dict[str, Any]) -> list[float]:
    """The product of the factors for each metadata."""
    chunks = store(sql, *metadata)
    found = {row.chunk_id: row.boosted_score for row in boost(sql, chunks, boosts)}
    return [found[chunk] for chunk in chunks]


# The same in Python

SECONDS = {
    "36 hours": 1.5 * DAY,
    "30 days": 30 * DAY,
    "P1W": 7 * DAY,
    "12:30": 12.5 * 3600,
    "2 months": 60 * DAY,
    "1 year": 365.25 * DAY,
}


def number(item: Any) -> float | None:
    if isinstance(item, bool) or not isinstance(item, int | float):
        return None
    return float(max(min(item, 10**100), -(10**100)))


def seconds(item: Any) -> float | None:
    """Only texts that Python and the database both take for ISO 8601 or both do not are tested."""
    try:
        read = datetime.fromisoformat(item)
    except (TypeError, ValueError):
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def decay(boost: Boost, item: Any) -> float | None:
    """Elasticsearch's gauss, exp and linear, as its documentation has them."""
    to, scale, offset = boost.get("decay_to", 0.5), boost["scale"], boost.get("offset", 0)
    if isinstance(scale, str):
        found, scale, offset = seconds(item), SECONDS[scale], SECONDS.get(offset, 0)
        given = boost.get("origin", "now")
        origin = NOW.timestamp() if given == "now" else seconds(given)
    else:
        found, origin = number(item), boost["origin"]
    if found is None:
        return None
    assert origin is not None
    distance = max(0, abs(found - origin) - offset)
    match boost["decay"]:
        case "gaussian":
            left = math.exp(-(distance**2) / (2 * (-(scale**2) / (2 * math.log(to)))))
        case "exponential":
            left = math.exp(math.log(to) / scale * distance)
        case _:
            s = scale / (1 - to)
            left = max(0, (s - distance) / s)
    return 1 - boost.get("weight", 1) * (1 - left)


def text(item: Any) -> str:
    return str(item).lower() if isinstance(item, bool) else str(item)


def weight(boost: Boost, item: Any) -> float | None:
    if item is None or isinstance(item, dict):
        return None
    items = item if isinstance(item, list) else [item]
    found = [boost["values"][text(each)] for each in items if text(each) in boost["values"]]
    return float(max(found, default=boost.get("default", 1)))


def modified(boost: Boost, item: Any) -> float | None:
    if (found := number(item)) is None:
        return None
    found = max(found, 0)
    more = {"none": found, "log1p": math.log10(1 + found), "sqrt": math.sqrt(found)}
    return min(1 + boost.get("weight", 1) * more[boost["modifier"]], 1000)


def reach(metadata: Any, field: str | Sequence[str]) -> Any:
    for key in [field] if isinstance(field, str) else field:
        metadata = metadata.get(key) if isinstance(metadata, dict) else None
    return metadata


def factor(boost: Boost, metadata: Any, smallest: float) -> float:
    item = reach(metadata, boost["field"])
    kinds = {"decay": decay, "values": weight, "modifier": modified}
    (found,) = (kinds[kind](boost, item) for kind in kinds if kind in boost)
    found = boost.get("missing", 1) if found is None else found
    return found if found >= smallest else 0


# Random metadata and boosts

NUMBERS = st.one_of(
    st.integers(-20, 20),
    st.floats(-20, 20).map(lambda x: round(x, 3)),
    st.sampled_from([0, 1e9, -1e15, 1e300, 10**400, 1e-300]),
)
DATES = st.one_of(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(datetime.isoformat),
    st.dates(date(2025, 1, 1), date(2027, 1, 1)).map(date.isoformat),
    st.sampled_from(["2026-02-30", "2026-02-20T10:00:00Z", "2026-03-01T01:00:00.5+05:30", "today"]),
)
SCALARS = st.one_of(
    NUMBERS, DATES, st.sampled_from(["x", "y", "it's", "3", "true"]), st.booleans(), st.none()
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.just("k"), SCALARS, max_size=1)
)
FIELDS = st.sampled_from(["a", "b", ["o", "k"], ["o", "k", "k"], 'it\'s "%s"'])
METADATA = st.fixed_dictionaries(
    {}, optional={"a": VALUES, "b": VALUES, "o": VALUES, 'it\'s "%s"': VALUES}
)
WEIGHTS = st.sampled_from([0, 0.5, 1, 1.2, 3, 1000])
SHARES = st.sampled_from([0, 0.25, 0.9, 1])
MISSING = st.sampled_from([0, 0.5, 1, 2])
SHAPES = st.sampled_from(["gaussian", "exponential", "linear"])
LEFT = st.sampled_from([0.1, 0.5, 0.99])
KINDS = [
    st.fixed_dictionaries(
        {"decay": SHAPES, "origin": NUMBERS, "scale": st.sampled_from([0.01, 1, 7.5])},
        optional={"offset": st.sampled_from([0, 3]), "decay_to": LEFT, "weight": SHARES},
    ),
    st.fixed_dictionaries(
        {"decay": SHAPES, "scale": st.sampled_from(list(SECONDS))},
        optional={
            "origin": st.sampled_from(["now", "2026-02-01", "2026-02-01T01:02:03-11:00"]),
            "offset": st.sampled_from(list(SECONDS)),
            "decay_to": LEFT,
            "weight": SHARES,
        },
    ),
    st.fixed_dictionaries(
        {"values": st.dictionaries(st.sampled_from(["x", "it's", "3", "true", "z"]), WEIGHTS)},
        optional={"default": WEIGHTS},
    ),
    st.fixed_dictionaries(
        {"modifier": st.sampled_from(["none", "log1p", "sqrt"])}, optional={"weight": WEIGHTS}
    ),
]
BOOSTS = st.builds(
    lambda kind, field, missing: {**kind, "field": field, **missing},
    st.one_of(KINDS),
    FIELDS,
    st.fixed_dictionaries({}, optional={"missing": MISSING}),
)


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    metadata=st.lists(METADATA, min_size=1, max_size=8),
    boosts=st.lists(BOOSTS, max_size=4),
    scores=st.lists(st.sampled_from([0, 0.1, 1, 17.5]), min_size=8, max_size=8),
)
@pytest.mark.newest
def test_as_python_says(
    sql: psycopg.Cursor, metadata: list[Any], boosts: list[Boost], scores: list[float]
) -> None:
    chunks = store(sql, *metadata)
    found = boost(sql, chunks, boosts, scores[: len(chunks)])
    assert {row.chunk_id for row in found} == set(chunks)
    smallest = 10 ** (-250 / max(len(boosts), 1))
    for row in found:
        held = metadata[chunks.index(row.chunk_id)]
        assert [each["field"] for each in row.factors] == [each["field"] for each in boosts]
        assert [each["value"] for each in row.factors] == [
            pytest.approx(reach(held, each["field"])) for each in boosts
        ]
        expected = [factor(each, held, smallest) for each in boosts]
        assert [each["factor"] for each in row.factors] == pytest.approx(
            expected, rel=1e-9, abs=1e-12
        )
        product = math.prod(each["factor"] for each in row.factors)
        assert row.boosted_score == pytest.approx(row.score * product, rel=1e-12)
        assert row.score == scores[chunks.index(row.chunk_id)]
    assert found == sorted(found, key=lambda row: (-row.boosted_score, row.chunk_id))


# Decays


@pytest.mark.parametrize("shape", ["gaussian", "exponential", "linear"])
def test_what_a_decay_leaves(sql: psycopg.Cursor, shape: str) -> None:
    stars = {"field": "stars", "decay": shape, "origin": 5, "scale": 2, "offset": 1}
    values = [{"stars": each} for each in (5, 4, 6, 2, 8)]
    assert factors(sql, stars, *values) == pytest.approx([1, 1, 1, 0.5, 0.5])
    less = {**stars, "decay_to": 0.2, "weight": 0.25}
    assert factors(sql, less, *values) == pytest.approx([1, 1, 1, 0.8, 0.8])


def test_the_shapes_differ(sql: psycopg.Cursor) -> None:
    """Two scales away."""
    for shape, left in {"gaussian": 0.5**4, "exponential": 0.5**2, "linear": 0}.items():
        price = {"field": "price", "decay": shape, "origin": 100, "scale": 20}
        assert factors(sql, price, {"price": 140}, {"price": 60}) == pytest.approx([left, left])


def test_dates(sql: psycopg.Cursor) -> None:
    recent = {"field": "at", "decay": "exponential", "scale": "10 days", "offset": "1 day"}
    published = {
        "2026-03-01T12:00:00Z": 1,
        "2026-03-01T06:30:00-05:30": 1,
        "2026-02-28 12:00": 1,
        "2026-02-18T12:00": 0.5,
        "2026-03-12T12:00": 0.5,
        "2026-02-13T00:00": 0.5**1.55,
        "2026-02-13": 0.5**1.55,
        "13 Feb 2026": 1,
    }
    found = factors(sql, recent, *({"at": each} for each in published))
    assert found == pytest.approx(list(published.values()))
    assert factors(sql, {**recent, "origin": "now"}, {"at": "2026-02-13"}) == [found[-2]]


def test_now_is_now_unless_said_otherwise(sql: psycopg.Cursor) -> None:
    moment = value(sql, "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")
    chunks = store(sql, {"at": moment}, {"at": "2000-01-01"})
    recent = Jsonb({"field": "at", "decay": "linear", "scale": "1 hour"})
    statement = "select boosted_score from retrieval.boost('c', %s, '{1,1}', %s)"
    assert column(sql, statement, [chunks, recent]) == [1, 0]


# Dates in texts


def test_every_day_there_is(sql: psycopg.Cursor) -> None:
    texts = [
        f"{year:04}-{month:02}-{day:02}"
        for year in (0, 1, 4, 1900, 1969, 2000, 2023, 2024, 9999)
        for month in range(14)
        for day in range(33)
    ]
    found = column(sql, "select retrieval._epoch(t) from unnest(%s::text[]) t", [texts])

    def expected(text: str) -> float | None:
        try:
            return (date.fromisoformat(text) - date(1970, 1, 1)) / timedelta(seconds=1)
        except ValueError:
            return None

    assert found == [expected(each) for each in texts]
    assert sum(each is not None for each in found) == 5 * 365 + 3 * 366


@pytest.mark.parametrize("time", ["00:00", "23:59:59", "07:08:09.1", "07:08:09.123456"])
@pytest.mark.parametrize("zone", ["", "Z", "+00:00", "-00", "+14:00", "-1130", "+05:45"])
@pytest.mark.parametrize("separator", ["T", " "])
def test_timestamps(sql: psycopg.Cursor, time: str, zone: str, separator: str) -> None:
    text = f"2024-02-29{separator}{time}{zone}"
    assert value(sql, "select retrieval._epoch(%s)", [text]) == pytest.approx(
        seconds(text), abs=1e-6
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "today", "infinity", "epoch", "2024", "2024-05", "2024-1-5", "20240105"),
        *("24-01-05", " 2024-01-05", "2024-01-05 ", "2024-01-05\n", "2024-01-05T", "-2024-01-05"),
        *("2024-01-05T24:00", "2024-01-05T10", "2024-01-05T10:60", "2024-01-05T10:00:60"),
        *("2024-01-05T10:00:00.", "2024-01-05T10:00+16:00", "2024-01-05T10:00 UTC", "10:00"),
        *("2024-01-05Z", "2024-01-05T10:00Z+01", "12024-01-05", "2024-01-05 BC"),
        *("\uff12\uff10\uff12\uff14-01-05", "\u0662\u0660\u0662\u0664-01-05", "2024-W01-5"),
    ],
)
def test_what_is_no_date(sql: psycopg.Cursor, text: str) -> None:
    assert value(sql, "select retrieval._epoch(%s)", [text]) is None


def test_settings_of_the_session_do_not_matter(sql: psycopg.Cursor) -> None:
    chunks = store(sql, *({"at": f"2026-02-{day:02}T00:00", "n": day / 7} for day in range(1, 29)))
    boosts = [
        {
            "field": "at",
            "decay": "gaussian",
            "origin": "2026-02-03T00:00Z",
            "scale": "1 day 02:03:04.5",
        },
        {"field": "n", "decay": "linear", "origin": 1 / 3, "scale": 7.1, "decay_to": 1 / 7},
    ]
    before = boost(sql, chunks, boosts)
    sql.execute("set timezone = 'America/New_York'; set datestyle = 'SQL, DMY'")
    sql.execute("set intervalstyle = 'sql_standard'; set standard_conforming_strings = off")
    assert boost(sql, chunks, boosts) == before
    sql.execute("set extra_float_digits = -5")
    assert [row.chunk_id for row in boost(sql, chunks, boosts)] == [row.chunk_id for row in before]


# Weights of values


def test_values(sql: psycopg.Cursor) -> None:
    boosts = {"field": "brand", "values": {"BMW": 1.5, "Audi": 1.2, "3": 2, "true": 0}}
    boosts |= {"default": 0.9, "missing": 0.8}
    expected = {
        "BMW": 1.5,
        "bmw": 0.9,
        "3": 2,
        3: 2,
        True: 0,
        "": 0.9,
    }
    assert factors(sql, boosts, *({"brand": each} for each in expected)) == list(expected.values())
    lists = [["Audi", "BMW", "VW"], ["VW"], [], [True, "VW"], [3, "BMW"], [None, ["BMW"]]]
    assert factors(sql, boosts, *({"brand": each} for each in lists)) == [1.5, 0.9, 0.9, 0, 2, 0.9]
    unusable = [{}, {"brand": None}, {"brand": {"BMW": 1}}, {"Brand": "BMW"}]
    assert factors(sql, boosts, *unusable) == [0.8] * 4


def test_more_is_better(sql: psycopg.Cursor) -> None:
    sold = [{"sold": each} for each in (0, 9, 99, -5, 10**400)]
    for modifier, expected in {
        "log1p": [1, 1.1, 1.2, 1, 11],
        "sqrt": [1, 1.3, 1 + 0.1 * 99**0.5, 1, 1000],
        "none": [1, 1.9, 10.9, 1, 1000],
    }.items():
        boosts = {"field": "sold", "modifier": modifier, "weight": 0.1}
        assert factors(sql, boosts, *sold) == pytest.approx(expected)


@pytest.mark.parametrize("unusable", ["5", True, None, [5], {"n": 5}, ...])
def test_what_is_no_number(sql: psycopg.Cursor, unusable: Any) -> None:
    metadata = {} if unusable is ... else {"n": unusable}
    near = {"field": "n", "decay": "linear", "origin": 5, "scale": 1, "weight": 0.5}
    more = {"field": "n", "modifier": "none"}
    assert factors(sql, [near, more], metadata) == [1]
    assert factors(sql, [{**near, "missing": 3}, {**more, "missing": 0.5}], metadata) == [1.5]


# Rankings


def test_nothing_is_an_error_while_ranking(sql: psycopg.Cursor) -> None:
    """Factors of any size, multiplied, leave no double precision's range."""
    numbers = [0, 1e-300, 1e300, 10**4000, -(10**4000), 5]
    chunks = store(sql, *({"n": each, "s": f"2026-01-0{n + 1}"} for n, each in enumerate(numbers)))
    for each in (
        {"field": "n", "decay": "gaussian", "origin": 5, "scale": 1e-99},
        {"field": "n", "decay": "exponential", "origin": -1e99, "scale": 1e99, "decay_to": 1e-99},
        {"field": "n", "decay": "linear", "origin": 0, "scale": 1e99, "weight": 0.9999999999999999},
        {"field": "n", "decay": "linear", "origin": 5, "scale": 1e-9, "decay_to": 0.999999999},
        {"field": "s", "decay": "gaussian", "origin": "now", "scale": "1 microsecond"},
        {"field": "s", "values": {"2026-01-01": 1e-90}, "default": 1e-300},
        {"field": "n", "modifier": "none", "weight": 1000, "missing": 1e-99},
        {"field": "absent", "values": {}, "missing": 1000},
        {"field": "absent", "values": {}, "missing": 2e-8},
    ):
        for score in (1e100, 1, 1e-50, 1e-99, 5e-324, 0):
            for row in boost(sql, chunks, [each] * 32, [score] * len(chunks)):
                assert 0 <= row.boosted_score < 1e200


def test_far_away_still_has_an_order(sql: psycopg.Cursor) -> None:
    chunks = store(sql, *({"n": n} for n in range(40, 0, -1)))
    near = {"field": "n", "decay": "exponential", "origin": 0, "scale": 1, "decay_to": 0.01}
    found = boost(sql, chunks, [near] * 3)
    assert [row.chunk_id for row in found] == chunks[::-1]
    assert found[-1].boosted_score == pytest.approx(0.01 ** (3 * 40), rel=1e-9)


def test_ties(sql: psycopg.Cursor) -> None:
    one, two, three = store(sql, {"n": 1}, {"n": 2}, {"n": 1})
    half = {"field": "n", "values": {"2": 0.5}}
    found = boost(sql, [three, two, one], half, [0.5, 2, 1])
    assert [(row.chunk_id, row.score, row.boosted_score) for row in found] == [
        (one, 1, 1),
        (two, 2, 1),
        (three, 0.5, 0.5),
    ]


def test_without_boosts_or_candidates(sql: psycopg.Cursor) -> None:
    one, two = store(sql, {}, {})
    found = boost(sql, [one, two], [], [0.25, 0.5])
    assert [tuple(row) for row in found] == [(two, 0.5, 0.5, []), (one, 0.25, 0.25, [])]
    for nothing in ("'{}', '{}'", "null, null"):
        assert not sql.execute(f"select * from retrieval.boost('c', {nothing}, '[]')").fetchall()


def test_the_best_of_candidates(sql: psycopg.Cursor) -> None:
    """As hybrid_search asks."""
    chunks = store(sql, *({"n": n} for n in range(50)))
    best = column(
        sql,
        """select b.chunk_id
           from retrieval.collections c, retrieval._boosted(
               c.collection_id, %s, %s, retrieval._check_boosts(%s), 3) b""",
        [chunks, [1.0] * 50, Jsonb({"field": "n", "modifier": "log1p"})],
    )
    assert best == chunks[:-4:-1]


def test_the_example_in_the_file(sql: psycopg.Cursor) -> None:
    store(sql, {"published": "2020-01-01"}, {"team": "security"}, {"published": "2020-01-01"})
    found = sql.execute(
        """with hit as materialized (
               select * from retrieval.keyword_search('c', 'word', max_results => 100))
           select h.document_key, b.boosted_score, b.factors
           from (select array_agg(chunk_id) as chunk_ids, array_agg(score) as scores from hit) a
           cross join retrieval.boost('c', a.chunk_ids, a.scores, '[
               {"field": "published", "decay": "exponential", "origin": "now",
                "scale": "90 days", "weight": 0.5},
               {"field": "team", "values": {"security": 1.3}}]', '2026-01-01Z') b
           join hit h using (chunk_id)
           order by b.boosted_score desc, b.chunk_id limit 10"""
    ).fetchall()
    assert [row.document_key for row in found] == ["001", "000", "002"]
    assert found[0].boosted_score / found[1].boosted_score == pytest.approx(2.6, rel=1e-3)
