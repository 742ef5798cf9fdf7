"""What people ask and open: logged queries and clicks, what they say, and judgements from them."""

from retrieval.signals.judgements import store_click_judgements
from retrieval.signals.results import (
    ClickJudgement,
    LowScoreQuery,
    QueryClicks,
    QueryReport,
    ZeroResultQuery,
)

__all__ = [
    "ClickJudgement",
    "LowScoreQuery",
    "QueryClicks",
    "QueryReport",
    "ZeroResultQuery",
    "store_click_judgements",
]
