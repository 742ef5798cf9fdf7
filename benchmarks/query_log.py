"""What it costs to log queries, and to read the log, when it is full already.

    python benchmarks/query_log.py                 a million logged queries
    python benchmarks/query_log.py --rows 100000

The log is filled by one statement with queries of a long-tailed frequency, ten shown documents
each, and a click after every third. Calls are timed with and without the wait for the disk at the
end of their transaction (synchronous_commit).
"""

import argparse
import statistics
import time
from typing import Any

import psycopg
from servers import new_database, server_url

from retrieval.database import migration_sql

SINGLE = 2_000
SHOWN = [f"document-{number}" for number in range(10)]
DETAILS = '{"milliseconds": 12.5, "result_offset": 0, "settings": {"scored_by": "semantic_score"}}'
FILL = """
    insert into retrieval.logged_queries
        (collection_id, query_text, document_keys, result_count, top_score, details, logged_at)
    select c.collection_id, 'query ' || floor(20000 * power(random(), 3)),
           case when n %% 20 = 0 then '{}' else %(shown)s::text[] end,
           case when n %% 20 = 0 then 0 else 10 end, random(), %(details)s,
           now() - n * interval '60 days' / %(rows)s
    from generate_series(1, %(rows)s) n, retrieval.collections c where c.name = 'shop'"""
CLICK = """
    insert into retrieval.logged_clicks (query_id, document_key, rank)
    select query_id, document_keys[rank], rank
    from (select query_id, document_keys, 1 + floor(9.99 * power(random(), 2))::integer as rank,
                 row_number() over () as n
          from retrieval.logged_queries where result_count > 0) q
    where n % 3 = 0"""
REPORTS = (
    "query_report('shop')",
    "query_report('shop', now() - interval '7 days')",
    "zero_result_queries('shop')",
    "low_score_queries('shop')",
    "query_clicks('shop')",
    "click_judgements('shop')",
)


def microseconds(connection: psycopg.Connection, statement: str, rows: list[list[Any]]) -> str:
    """The median and the 95th percentile of one call, each in a transaction of its own."""
    taken = []
    for row in rows:
        began = time.perf_counter()
        connection.execute(statement, row)
        taken.append(1e6 * (time.perf_counter() - began))
    return f"{statistics.median(taken):7.0f} µs, p95 {sorted(taken)[int(0.95 * len(taken))]:7.0f}"


def single_calls(connection: psycopg.Connection, label: str) -> None:
    """Log queries, and a click after each."""
    statement = "select retrieval.log_query('shop', %s, %s, %s, %s)"
    scores = [1 - number / 10 for number in range(10)]
    given = [[f"query {number}", SHOWN, scores, DETAILS] for number in range(SINGLE)]
    print(label)
    print(f"    select 1         {microseconds(connection, 'select 1', [[]] * SINGLE)}")
    connection.execute("select retrieval.set_query_logging('shop', null)")
    print(f"    log_query, off   {microseconds(connection, statement, given)}")
    connection.execute("select retrieval.set_query_logging('shop', '60 days')")
    for waits in ("off", "on"):
        connection.execute(f"set synchronous_commit = {waits}")
        print(f"    log_query        {microseconds(connection, statement, given)} ({waits})")
        newest = connection.execute(
            "select query_id from retrieval.logged_queries order by logged_at desc limit %s",
            [SINGLE],
        ).fetchall()
        clicked = [[row[0]] for row in newest]
        click = "select retrieval.log_click(%s, 'document-3')"
        print(f"    log_click        {microseconds(connection, click, clicked)} ({waits})")


def reports(connection: psycopg.Connection) -> None:
    """Read the log in each way."""
    for report in REPORTS:
        began = time.perf_counter()
        rows = connection.execute(f"select * from retrieval.{report}").fetchall()
        print(f"{report:52} {time.perf_counter() - began:6.2f} s, {len(rows)} rows")


def trim(connection: psycopg.Connection) -> int:
    """Remove the half of the log that is older than thirty days, as a worker does."""
    connection.execute("select retrieval.set_query_logging('shop', '30 days')")
    began, removed, batch = time.perf_counter(), 0, 10_000
    while batch == 10_000:
        (batch,) = connection.execute("select retrieval.trim_query_log()").fetchone() or (0,)
        removed += batch
    print(f"trim_query_log: {removed} queries in {time.perf_counter() - began:.1f} s")
    return removed


def fill(connection: psycopg.Connection, rows: int) -> None:
    """A log of so many queries, and the documents that they found."""
    connection.execute("truncate retrieval.logged_queries cascade")
    connection.execute("select setseed(0.5)")
    connection.execute(FILL, {"shown": SHOWN, "details": DETAILS, "rows": rows})
    connection.execute(CLICK)
    for key in SHOWN:
        connection.execute("select retrieval.add_document('shop', %s, %s)", [key, key])
    connection.execute("vacuum analyze retrieval.logged_queries, retrieval.logged_clicks")


def main() -> None:
    """Measure an empty and a full log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database-url")
    given = parser.parse_args()
    with (
        server_url(given.database_url) as url,
        new_database(url, "query_log_benchmark") as connection,
    ):
        connection.execute(migration_sql())  # type: ignore[arg-type]
        connection.execute("select retrieval.create_collection('shop')")
        single_calls(connection, "empty log")
        fill(connection, given.rows)
        single_calls(connection, f"{given.rows} queries logged")
        reports(connection)
        size = "select pg_size_pretty(sum(pg_total_relation_size(t))) from unnest(%s::regclass[]) t"
        tables = ["retrieval.logged_queries", "retrieval.logged_clicks"]
        print("size:", (connection.execute(size, [tables]).fetchone() or [""])[0])
        assert abs(trim(connection) - given.rows / 2) <= given.rows / 100


if __name__ == "__main__":
    main()
