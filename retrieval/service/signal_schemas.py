"""The bodies of what people ask and open."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from retrieval.service.schemas import RequestBody, ResponseBody
from retrieval.service.search_schemas import Name

QUERY = "how do i rotate a key?"


class QueryLogging(RequestBody):
    """Whether queries are logged, and for how long."""

    retention_days: float | None = Field(
        default=None,
        gt=0,
        le=3650,
        description="For how long they are kept; without it none are logged any more.",
        examples=[90],
    )


class Click(RequestBody):
    """A document that was opened from the answer to a search."""

    query_id: UUID = Field(
        strict=False,
        description="The query_id of the answer.",
        examples=["1b4e28ba-2fa1-41d2-883f-0016d3cca427"],
    )
    document_key: Name = Field(description="The document.", examples=["guides/keys.md"])


class QueryTotals(ResponseBody):
    """How many queries there were, and how they fared; null: a share or mean of nothing."""

    queries: int = Field(description="How many there were.", examples=[5120])
    distinct_queries: int = Field(
        description="How many differ by more than case and blanks.", examples=[1733]
    )
    zero_results: int = Field(description="How many found nothing.", examples=[214])
    zero_result_share: float | None = Field(description="The share of these.", examples=[0.042])
    clicked_queries: int = Field(description="How many a click followed.", examples=[3011])
    click_through_rate: float | None = Field(
        description="Their share of the queries that found something.", examples=[0.61]
    )
    mean_reciprocal_rank: float | None = Field(
        description="The mean of 1 / rank of the first click, where there is one.", examples=[0.72]
    )
    milliseconds_p50: float | None = Field(
        description="What half of the searches took at most.", examples=[11.5]
    )
    milliseconds_p95: float | None = Field(
        description="What 95 % of them took at most.", examples=[48.0]
    )


class ZeroResultQuery(ResponseBody):
    """A query that found nothing."""

    query_text: str = Field(description="The query in small letters.", examples=[QUERY])
    queries: int = Field(description="How often it found nothing.", examples=[12])
    last_at: datetime = Field(description="When it was asked last.")


class LowScoreQuery(ResponseBody):
    """A query whose best score is low among those of others under the same settings."""

    query_text: str = Field(description="The query in small letters.", examples=[QUERY])
    queries: int = Field(description="How often it was asked.", examples=[4])
    top_score: float = Field(description="Its best score, on the mean.", examples=[0.21])
    percentile: float = Field(
        description="The share of the others whose score is no higher.", examples=[0.03]
    )
    settings: Any = Field(description="The settings.", examples=[{"scored_by": "semantic_score"}])
    last_at: datetime = Field(description="When it was asked last.")


class QueryClicks(ResponseBody):
    """What became of a query that found something."""

    query_text: str = Field(description="The query in small letters.", examples=[QUERY])
    queries: int = Field(description="How often it was asked.", examples=[40])
    clicked_queries: int = Field(description="How often a click followed.", examples=[31])
    clicks: int = Field(description="How many documents were opened.", examples=[38])
    click_through_rate: float = Field(
        description="The share of times with a click.", examples=[0.775]
    )
    mean_reciprocal_rank: float | None = Field(
        description="The mean of 1 / rank of the first click; null: none.", examples=[0.66]
    )
    last_at: datetime = Field(description="When it was asked last.")


class QueryReport(ResponseBody):
    """What was asked of a collection, and how it fared."""

    totals: QueryTotals = Field(description="All of it.")
    zero_results: list[ZeroResultQuery] = Field(
        description="Queries that found nothing, the most frequent first."
    )
    low_scores: list[LowScoreQuery] = Field(
        description="Queries whose best score is among the lowest tenth, the lowest first."
    )
    clicks: list[QueryClicks] = Field(
        description="Queries that found something, the most frequent first."
    )


class ClickJudgement(ResponseBody):
    """A document that was opened more often than its place explains."""

    query_text: str = Field(description="The query in small letters.", examples=[QUERY])
    document_key: str = Field(description="The document.", examples=["guides/keys.md"])
    grade: int = Field(description="1 or 2.", examples=[2])
    clicks: int = Field(description="After how many searches it was opened.", examples=[17])
    examinations: float = Field(
        description="How often it was looked at, by its ranks: one in r looks at rank r.",
        examples=[21.5],
    )
    attraction: float = Field(description="The former by the latter.", examples=[0.79])


class ClickJudgementList(ResponseBody):
    """What clicks say of relevance, by query, the best first."""

    judgements: list[ClickJudgement] = Field(description="The judgements.")


class ForgottenQueries(ResponseBody):
    """What was removed from the log."""

    queries: int = Field(description="How many queries.", examples=[3])
