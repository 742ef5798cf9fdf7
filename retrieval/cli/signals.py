"""`retrieval signals …`: what people ask and open, where a collection has opted in."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from retrieval.cli.durations import ago, duration
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, print_json, print_table, say, table
from retrieval.search import Retriever
from retrieval.signals import QueryReport, store_click_judgements

app = typer.Typer(
    help="Logged queries and clicks: enable, report, judge by them, forget.",
    no_args_is_help=True,
)

Since = Annotated[
    datetime | None,
    typer.Option(
        parser=ago,
        metavar="TIME",
        help="From so long ago on: 12h, 90d, 52w. Without, as far as the log goes back.",
        show_default=False,
    ),
]


@app.command("enable")
def enable(
    collection: str,
    retention: Annotated[
        timedelta,
        typer.Option(parser=duration, metavar="TIME", help="How long what is logged is kept."),
    ] = "90d",  # type: ignore[assignment]
    database_url: DatabaseUrl = None,
) -> None:
    """Let queries and clicks of a collection be logged."""
    with Retriever.open(database_url) as retriever:
        retriever.set_query_logging(collection, retention)
    say(f"{collection}: queries and clicks are logged and kept for {_told(retention)}")


@app.command("disable")
def disable(collection: str, database_url: DatabaseUrl = None) -> None:
    """Log no more; what is there goes when its time has passed, or with `forget`."""
    with Retriever.open(database_url) as retriever:
        retriever.set_query_logging(collection, None)
    say(f"{collection}: queries are not logged")


@app.command("report")
def report(
    collection: str,
    since: Since = None,
    max_results: Annotated[int, typer.Option(help="Queries of each kind at most.")] = 20,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """What was asked, what found nothing or little, and what was opened."""
    shared: dict[str, Any] = {"since": since, "max_results": max_results}
    with open_retriever(database_url, tenant) as retriever:
        totals = retriever.query_report(collection, since=since)
        lists: dict[str, Sequence[Any]] = {
            "zero_results": retriever.zero_result_queries(collection, **shared),
            "low_scores": retriever.low_score_queries(collection, **shared),
            "clicks": retriever.query_clicks(collection, **shared),
        }
    if json:
        listed = {name: as_dictionaries(found) for name, found in lists.items()}
        print_json({"totals": asdict(totals), **listed})
        return
    _print_totals(totals)
    for name, found in lists.items():
        if found:
            say("")
            _print_queries(_TITLES[name], as_dictionaries(found))


@app.command("judgements")
def judgements(
    collection: str,
    store: Annotated[
        str | None,
        typer.Option(
            help="Keep them as the golden set of this name, of the origin clicks.",
            show_default=False,
        ),
    ] = None,
    minimum_clicks: Annotated[
        int, typer.Option(help="After how many searches a document was opened at least.")
    ] = 5,
    since: Since = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Weak judgements: documents that were opened more often than their place explains."""
    shared: dict[str, Any] = {"minimum_clicks": minimum_clicks, "since": since}
    with open_retriever(database_url, tenant) as retriever:
        if store is not None:
            kept = store_click_judgements(retriever, collection, store, **shared)
            documents = sum(map(len, kept.relevance.values()))
            stored = {"golden_set": store, "queries": len(kept.queries), "judgements": documents}
            if json:
                print_json(stored)
            else:
                say(f"golden set {store}: {documents} judgements of {len(kept.queries)} queries")
            return
        found = retriever.click_judgements(collection, **shared)
    if json:
        print_json(as_dictionaries(found))
    else:
        _print_queries("judged by clicks", as_dictionaries(found))


@app.command("forget")
def forget(
    collection: str,
    older_than: Annotated[
        datetime | None,
        typer.Option(
            parser=ago, metavar="TIME", help="Only what is older: 12h, 90d.", show_default=False
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(help="Only a query, whatever its case and blanks.", show_default=False),
    ] = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Remove logged queries with their clicks; without options all of them."""
    with open_retriever(database_url, tenant) as retriever:
        removed = retriever.forget_queries(collection, before=older_than, query=query)
    say(f"{collection}: {removed} queries forgotten")


_TITLES = {
    "zero_results": "found nothing",
    "low_scores": "low scores",
    "clicks": "found something",
}


def _print_totals(totals: QueryReport) -> None:
    say(
        f"{totals.queries} queries, {totals.distinct_queries} different; "
        f"{_share(totals.zero_result_share)} found nothing; "
        f"{_share(totals.click_through_rate)} of the others were followed by a click, "
        f"mean reciprocal rank {_number(totals.mean_reciprocal_rank)}"
    )
    if totals.milliseconds_p50 is not None:
        say(f"{totals.milliseconds_p50:.1f} ms (p95 {totals.milliseconds_p95:.1f} ms) a search")


def _print_queries(title: str, rows: list[dict[str, Any]]) -> None:
    hidden = {"settings"}
    names = [name for name in (rows[0] if rows else {"query_text": ""}) if name not in hidden]
    shown = table(title, *(name.replace("_", " ") for name in names[1:]))
    for row in rows:
        shown.add_row(*(_number(row[name]) for name in names))
    print_table(shown)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _told(retention: timedelta) -> str:
    hours = round(retention.total_seconds() / 3600)
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"
