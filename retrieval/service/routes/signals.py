"""What people ask and open, where a collection has opted in."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from retrieval.service.dependencies import (
    Administering,
    CollectionName,
    Log,
    Reporting,
    Signalling,
    Writing,
)
from retrieval.service.problems import problem_responses
from retrieval.service.signal_schemas import (
    Click,
    ClickJudgement,
    ClickJudgementList,
    ForgottenQueries,
    LowScoreQuery,
    QueryClicks,
    QueryLogging,
    QueryReport,
    QueryTotals,
    ZeroResultQuery,
)
from retrieval.service.strict_route import StrictRoute

COLLECTION = "/v1/collections/{name}"
Since = Annotated[AwareDatetime | None, Query(description="From when on, with a time zone.")]
Until = Annotated[AwareDatetime | None, Query(description="Until when; not at that time itself.")]

router = APIRouter(tags=["signals"], route_class=StrictRoute)


@router.put(
    COLLECTION + "/query-logging",
    status_code=204,
    operation_id="set_query_logging",
    summary="Set whether queries are logged",
    responses=problem_responses(404, 413, 415),
)
async def set_query_logging(
    name: CollectionName, body: QueryLogging, retriever: Administering, log: Log
) -> None:
    """Let searches and clicks be logged, for so long; {} turns it off.

    What was logged stays until its time has passed, unless it is deleted. Other processes learn of
    it within 30 seconds.
    """
    days = body.retention_days
    await retriever.set_query_logging(name, None if days is None else timedelta(days=days))
    log.forget(name)


@router.post(
    COLLECTION + "/clicks",
    status_code=204,
    operation_id="log_click",
    summary="Log a click",
    responses=problem_responses(404, 413, 415),
)
async def log_click(name: CollectionName, body: Click, retriever: Signalling, log: Log) -> None:
    """Keep that a document was opened from the answer to a search that has a query_id."""
    await log.settled(body.query_id)
    await retriever.log_click(str(body.query_id), body.document_key, collection=name)


@router.get(
    COLLECTION + "/query-report",
    operation_id="query_report",
    summary="Report queries and clicks",
    responses=problem_responses(404),
)
async def query_report(
    name: CollectionName,
    retriever: Reporting,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Queries of each kind.")] = 20,
) -> QueryReport:
    """What was asked, what found nothing or little, and what was opened."""
    totals = await retriever.query_report(name, since=since, until=until)
    zero = await retriever.zero_result_queries(name, since=since, until=until, max_results=limit)
    low = await retriever.low_score_queries(name, since=since, until=until, max_results=limit)
    clicks = await retriever.query_clicks(name, since=since, until=until, max_results=limit)
    return QueryReport(
        totals=QueryTotals.model_validate(totals),
        zero_results=[ZeroResultQuery.model_validate(each) for each in zero],
        low_scores=[LowScoreQuery.model_validate(each) for each in low],
        clicks=[QueryClicks.model_validate(each) for each in clicks],
    )


@router.get(
    COLLECTION + "/click-judgements",
    operation_id="click_judgements",
    summary="Judge by clicks",
    responses=problem_responses(404),
)
async def click_judgements(
    name: CollectionName,
    retriever: Reporting,
    since: Since = None,
    until: Until = None,
    minimum_clicks: Annotated[
        int, Query(ge=1, le=1_000_000, description="Of the same document from the same query.")
    ] = 5,
) -> ClickJudgementList:
    """Weak judgements: documents that were opened more often than their place explains."""
    found = await retriever.click_judgements(
        name, minimum_clicks=minimum_clicks, since=since, until=until
    )
    return ClickJudgementList(judgements=[ClickJudgement.model_validate(each) for each in found])


@router.delete(
    COLLECTION + "/logged-queries",
    operation_id="forget_queries",
    summary="Delete logged queries",
    responses=problem_responses(404),
)
async def forget_queries(
    name: CollectionName,
    retriever: Writing,
    before: Annotated[AwareDatetime | None, Query(description="Those before a time.")] = None,
    query: Annotated[
        str | None, Query(description="Those that are like this but for case and blanks.")
    ] = None,
) -> ForgottenQueries:
    """Delete the logged queries of the key's tenant with their clicks; by default all of them."""
    return ForgottenQueries(
        queries=await retriever.forget_queries(name, before=before, query=query)
    )
