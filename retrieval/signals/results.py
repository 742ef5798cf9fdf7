"""What the log of queries says. Queries are in small letters, with single blanks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class QueryReport:
    """What was asked of a collection in some time; shares and means of nothing are None.

    `click_through_rate` is the share with a click of the queries that found something,
    `mean_reciprocal_rank` the mean of 1 / rank of the first click over those that have one.
    """

    queries: int
    distinct_queries: int
    zero_results: int
    zero_result_share: float | None
    clicked_queries: int
    click_through_rate: float | None
    mean_reciprocal_rank: float | None
    milliseconds_p50: float | None
    milliseconds_p95: float | None


@dataclass(frozen=True, slots=True)
class ZeroResultQuery:
    """A query that found nothing, and how often."""

    query_text: str
    queries: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LowScoreQuery:
    """A query whose best score is low among those of other queries under the same settings.

    `percentile` is the share of these whose score is no higher.
    """

    query_text: str
    queries: int
    top_score: float
    percentile: float
    settings: Any
    last_at: datetime


@dataclass(frozen=True, slots=True)
class QueryClicks:
    """What became of a query that found something."""

    query_text: str
    queries: int
    clicked_queries: int
    clicks: int
    click_through_rate: float
    mean_reciprocal_rank: float | None
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ClickJudgement:
    """A document that was opened from a query more often than its place explains.

    `attraction` is clicks by expected examinations, a document on rank r being looked at by one in
    r; the grade is 2 from 0.5 on, else 1.
    """

    query_text: str
    document_key: str
    grade: int
    clicks: int
    examinations: float
    attraction: float
