"""What was asked: kept where that is wanted, for as long as it is wanted, and told in reports."""

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from statements import column, failure, put, value

# what no version of PostgreSQL does differently
pytestmark = pytest.mark.newest

NOBODY = "00000000-0000-4000-8000-000000000000"


def log(sql: psycopg.Cursor, query: str, keys: list[str], **more: Any) -> Any:
    """Log a query of the collection c; returns its id."""
    given = {"query_text": query, "document_keys": keys, **more}
    arguments = ", ".join(f"{name} => %({name})s" for name in given)
    return value(sql, f"select retrieval.log_query('c', {arguments})", given)


def click(sql: psycopg.Cursor, query_id: Any, key: str) -> bool:
    """Log a click."""
    clicked: bool = value(sql, "select retrieval.log_click(%s, %s)", [query_id, key])
    return clicked


def age(sql: psycopg.Cursor, query_id: Any, interval: str) -> None:
    """Let a query have been asked long ago."""
    sql.execute(
        "update retrieval.logged_queries set logged_at = now() - %s::interval where query_id = %s",
        [interval, query_id],
    )


def reported(sql: psycopg.Cursor, call: str) -> list[dict[str, Any]]:
    """The rows of a report."""
    with sql.connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"select * from retrieval.{call}").fetchall()


def logged(sql: psycopg.Cursor) -> list[str]:
    return column(sql, "select query_text from retrieval.logged_queries order by 1")


@pytest.fixture
def opted_in(sql: psycopg.Cursor) -> psycopg.Cursor:
    """The collections c, whose queries are logged for thirty days, and d, whose are not."""
    sql.execute("select retrieval.create_collection(name) from unnest('{c,d}'::text[]) name")
    put(sql, "c", *({"document_key": key, "content": key} for key in ("one", "two", "three")))
    sql.execute("select retrieval.set_query_logging('c', '30 days')")
    return sql


def test_nothing_is_kept_unless_it_is_turned_on(sql: psycopg.Cursor) -> None:
    sql.execute("select retrieval.create_collection('c')")
    assert log(sql, "q", ["one"]) is None
    sql.execute("select retrieval.set_query_logging('c', null)")
    stored = "select settings -> 'query_logging' from retrieval.collections"
    assert value(sql, stored) is None
    sql.execute("select retrieval.set_query_logging('c')")
    assert value(sql, stored) == {"enabled": True, "retention": "90 days"}
    kept = log(sql, "q", ["one", "two"])
    assert click(sql, kept, "two") is True
    sql.execute("select retrieval.set_query_logging('c', null)")
    assert value(sql, stored) == {"enabled": False, "retention": "90 days"}
    assert log(sql, "q", ["one"]) is None
    assert click(sql, kept, "one") is False
    # what is there stays to its end
    assert logged(sql) == ["q"] and value(sql, "select retrieval.trim_query_log()") == 0
    age(sql, kept, "91 days")
    assert value(sql, "select retrieval.trim_query_log()") == 1
    assert value(sql, "select count(*) from retrieval.logged_clicks") == 0


def test_what_is_kept(opted_in: psycopg.Cursor) -> None:
    given = "11111111-2222-4333-8444-555555555555"
    scores = [0.5, None, 2.5, float("nan"), float("inf")]
    keys = ["one", "two", "one", "three", "four"]
    details = '{"milliseconds": 12.5, "settings": {"fusion": "rrf"}, "own": [1]}'
    kept = log(opted_in, "Q" * 3000, keys, scores=scores, details=details, query_id=given)
    assert str(kept) == given
    (row,) = reported(opted_in, "logged_queries")
    assert row["query_text"] == "Q" * 2000 and row["document_keys"] == keys
    assert (row["result_count"], row["top_score"], row["tenant"]) == (5, 2.5, "")
    assert row["details"]["own"] == [1]
    many = log(opted_in, "many", [str(number) for number in range(1500)])
    stored = "select cardinality(document_keys), result_count from retrieval.logged_queries"
    (counts,) = opted_in.execute(f"{stored} where query_id = %s", [many]).fetchall()
    assert tuple(counts) == (1000, 1500)


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "said"),
    [
        ("'nowhere', 'q', '{}'", "42704", "collection nowhere"),
        ("'c', null, '{}'", "22023", "query_text"),
        ("'c', 'q', null", "22023", "document_keys"),
        ("'c', 'q', '{one,null}'", "22023", "document_keys"),
        ("'c', 'q', '{one}', '{1,2}'", "22023", "scores: 2 for 1"),
        ("'c', 'q', '{}', details => '[]'", "22023", "details"),
        ("'c', 'q', '{}', details => '{\"milliseconds\": -1}'", "22023", "milliseconds"),
        ("'c', 'q', '{}', details => '{\"milliseconds\": \"x\"}'", "22023", "milliseconds"),
        ("'c', 'q', '{}', details => '{\"result_offset\": 1.5}'", "22023", "result_offset"),
        (
            "'c', 'q', '{}', details => jsonb_build_object('a', repeat('b', 20000))",
            "22023",
            "20000 bytes",
        ),
    ],
)
def test_a_query_that_cannot_be_kept(
    opted_in: psycopg.Cursor, arguments: str, sqlstate: str, said: str
) -> None:
    """Also where queries are not logged: what is wrong is found out before it is turned on."""
    for name in ("c", "d"):
        given = arguments.replace("'c'", f"'{name}'")
        error = failure(opted_in, f"select retrieval.log_query({given})")
        assert error.sqlstate == sqlstate and said in str(error)
    assert logged(opted_in) == []


@pytest.mark.parametrize("retention", ["0", "-1 day", "11 years"])
def test_a_retention_that_is_none(opted_in: psycopg.Cursor, retention: str) -> None:
    error = failure(opted_in, f"select retrieval.set_query_logging('c', '{retention}')")
    assert error.sqlstate == "22023" and "retention must be" in str(error)


def test_clicks(opted_in: psycopg.Cursor) -> None:
    kept = log(opted_in, "q", ["one", "two", "one", "three"])
    later = log(opted_in, "q", ["four"], details='{"result_offset": 4}')
    assert [click(opted_in, kept, key) for key in ("three", "three", "one")] == [True, False, True]
    assert click(opted_in, later, "four")
    ranks = "select document_key, rank from retrieval.logged_clicks order by rank"
    assert [tuple(row) for row in opted_in.execute(ranks)] == [
        ("one", 1),
        ("three", 4),
        ("four", 5),
    ]
    for call, sqlstate, said in (
        (f"'{kept}', 'four'", "22023", "'four' was not shown"),
        (f"'{kept}', null", "22023", "null was not shown"),
        (f"'{NOBODY}', 'one'", "42704", "no logged query"),
        ("null, 'one'", "42704", "no logged query"),
        (f"'{kept}', 'two', 'd'", "42704", "no logged query"),
    ):
        error = failure(opted_in, f"select retrieval.log_click({call})")
        assert error.sqlstate == sqlstate and said in str(error), call
    assert value(opted_in, "select retrieval.log_click(%s, 'two', 'c')", [kept])
    age(opted_in, kept, "31 days")
    assert failure(opted_in, f"select retrieval.log_click('{kept}', 'one')").sqlstate == "42704"


def test_trimming_goes_by_batches_from_the_oldest(opted_in: psycopg.Cursor) -> None:
    for number in range(5):
        age(opted_in, log(opted_in, f"q{number}", []), f"{40 - number} days")
    log(opted_in, "new", [])
    assert value(opted_in, "select retrieval.trim_query_log(2)") == 2
    assert logged(opted_in) == ["new", "q2", "q3", "q4"]
    assert value(opted_in, "select retrieval.trim_query_log(100)") == 3
    # a shorter retention holds for what is there
    age(opted_in, log(opted_in, "a week ago", []), "7 days")
    opted_in.execute("select retrieval.set_query_logging('c', '5 days')")
    assert value(opted_in, "select retrieval.trim_query_log()") == 1
    assert logged(opted_in) == ["new"]
    assert "maximum_rows" in str(failure(opted_in, "select retrieval.trim_query_log(0)"))


def test_forgetting(opted_in: psycopg.Cursor) -> None:
    age(opted_in, log(opted_in, "old", []), "3 days")
    for query in ("My  Password", "my password", "other"):
        log(opted_in, query, [])
    forget = "select retrieval.forget_queries('c', {})"
    assert value(opted_in, forget.format("query_text => ' MY PASSWORD'")) == 2
    assert value(opted_in, forget.format("before => now() - interval '1 day'")) == 1
    assert logged(opted_in) == ["other"]
    assert value(opted_in, "select retrieval.forget_queries('d')") == 0
    assert value(opted_in, "select retrieval.forget_queries('c')") == 1
    # with its collection all of it goes
    click(opted_in, log(opted_in, "q", ["one"]), "one")
    opted_in.execute("select retrieval.drop_collection('c')")
    assert logged(opted_in) == []


def test_the_report(opted_in: psycopg.Cursor) -> None:
    (empty,) = reported(opted_in, "query_report('c')")
    assert empty.pop("queries") == empty.pop("distinct_queries") == 0
    assert {name for name, found in empty.items() if found is not None} == {
        "zero_results",
        "clicked_queries",
    }
    age(opted_in, log(opted_in, "expired", []), "31 days")
    age(opted_in, log(opted_in, "last week", []), "7 days")
    first = log(opted_in, "Wheel", ["one", "two"], details='{"milliseconds": 10}')
    second = log(opted_in, " wheel ", ["one", "two"], details='{"milliseconds": 30}')
    log(opted_in, "nothing", [], details='{"milliseconds": 20}')
    log(opted_in, "wheel", [], details='{"result_offset": 10}')
    click(opted_in, first, "two")
    click(opted_in, first, "one")
    opted_in.execute(
        "update retrieval.logged_clicks set clicked_at = clicked_at + interval '1 second' "
        "where document_key = 'one'"
    )
    click(opted_in, second, "one")
    (row,) = reported(opted_in, "query_report('c', now() - interval '1 day')")
    assert row == {
        "queries": 4,
        "distinct_queries": 2,
        "zero_results": 1,
        "zero_result_share": 0.25,
        "clicked_queries": 2,
        "click_through_rate": 1.0,
        "mean_reciprocal_rank": 0.75,
        "milliseconds_p50": 20,
        "milliseconds_p95": pytest.approx(29),
    }
    assert reported(opted_in, "query_report('c')")[0]["queries"] == 5
    before = reported(opted_in, "query_report('c', until => now() - interval '1 day')")
    assert before[0]["queries"] == 1
    assert failure(opted_in, "select retrieval.query_report('nowhere')").sqlstate == "42704"


def test_queries_without_results(opted_in: psycopg.Cursor) -> None:
    for query in ("Rare", "often", "OFTEN", "found"):
        log(opted_in, query, ["one"] if query == "found" else [])
    log(opted_in, "found", [], details='{"result_offset": 10}')
    rows = reported(opted_in, "zero_result_queries('c')")
    assert [(row["query_text"], row["queries"]) for row in rows] == [("often", 2), ("rare", 1)]
    assert len(reported(opted_in, "zero_result_queries('c', max_results => 1)")) == 1


def test_queries_with_low_scores(opted_in: psycopg.Cursor) -> None:
    """Low is what is low among its like: each setting has a scale of its own."""
    for number in range(1, 21):
        for settings, scale in (('"bm25"', 10), ('"rrf"', 0.001)):
            details = f'{{"settings": {settings}}}'
            log(opted_in, f"q{number}", ["one"], scores=[number * scale], details=details)
    log(opted_in, "alone", ["one"], scores=[0.0], details='{"settings": "few"}')
    log(opted_in, "unscored", ["one"])
    rows = reported(opted_in, "low_score_queries('c')")
    assert [(row["query_text"], row["percentile"]) for row in rows] == [
        *[("q1", 0.05)] * 2,
        *[("q2", 0.1)] * 2,
    ]
    assert {row["settings"] for row in rows} == {"bm25", "rrf"}
    # the mean over the times that it was asked
    log(opted_in, "Q1", ["one"], scores=[1000], details='{"settings": "bm25"}')
    rows = reported(opted_in, "low_score_queries('c', 0.05)")
    assert [(row["query_text"], row["settings"]) for row in rows] == [("q1", "rrf"), ("q2", "bm25")]
    assert "share must be" in str(failure(opted_in, "select retrieval.low_score_queries('c', 0)"))


def test_clicks_of_queries(opted_in: psycopg.Cursor) -> None:
    first, _ = (log(opted_in, query, ["one", "two"]) for query in ("Wheel", "wheel"))
    click(opted_in, first, "two")
    log(opted_in, "brake", ["one"])
    log(opted_in, "nothing", [])
    rows = reported(opted_in, "query_clicks('c')")
    names = ("query_text", "queries", "clicked_queries", "clicks", "click_through_rate")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("wheel", 2, 1, 1, 0.5),
        ("brake", 1, 0, 0, 0.0),
    ]
    assert [row["mean_reciprocal_rank"] for row in rows] == [0.5, None]


def test_judgements_of_clicks(opted_in: psycopg.Cursor) -> None:
    """A click counts the more the further down it is: one in r looks at rank r."""
    for number in range(20):
        kept = log(opted_in, "wheel", ["one", "two", "one", "gone"])
        if number < 4:
            click(opted_in, kept, "one")  # 4 of 20 on rank 1
        if number >= 14:
            click(opted_in, kept, "two")  # 6 of 20 on rank 2
        click(opted_in, kept, "gone")
    click(opted_in, log(opted_in, "single", ["three"]), "three")
    rows = reported(opted_in, "click_judgements('c', 4)")
    assert [tuple(row.values()) for row in rows] == [
        ("wheel", "two", 2, 6, pytest.approx(10), pytest.approx(0.6)),
        ("wheel", "one", 1, 4, pytest.approx(20), pytest.approx(0.2)),
    ]
    assert [row["document_key"] for row in reported(opted_in, "click_judgements('c')")] == ["two"]
    # shown often and seldom opened is no judgement
    for _ in range(25):
        log(opted_in, "wheel", ["one"])
    rows = reported(opted_in, "click_judgements('c', 4)")
    assert [row["document_key"] for row in rows] == ["two"]


def test_each_tenant_has_a_log_of_its_own(opted_in: psycopg.Cursor) -> None:
    opted_in.execute("set local retrieval.tenant = 'acme'")
    kept = log(opted_in, "theirs", ["one"])
    opted_in.execute("set local retrieval.tenant = ''")
    assert failure(opted_in, f"select retrieval.log_click('{kept}', 'one')").sqlstate == "42704"
    assert reported(opted_in, "query_report('c')")[0]["queries"] == 0
    assert value(opted_in, "select retrieval.forget_queries('c')") == 0
    opted_in.execute("set local retrieval.tenant = 'acme'")
    assert click(opted_in, kept, "one")
    assert reported(opted_in, "query_report('c')")[0]["clicked_queries"] == 1
    age(opted_in, kept, "31 days")
    opted_in.execute("set local retrieval.tenant = ''")
    assert value(opted_in, "select retrieval.trim_query_log()") == 1
