"""Clicks become weak judgements, kept as a golden set that says where it comes from."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from retrieval.errors import InvalidInput, NotReady
from retrieval.golden_sets.judgements import Judgements
from retrieval.signals.results import ClickJudgement

if TYPE_CHECKING:
    from retrieval.search.retriever import Retriever

ORIGIN = "clicks"


def judgements_of_clicks(found: Iterable[ClickJudgement]) -> Judgements:
    """What clicks say as judgements; a query has the same id each time."""
    queries: dict[str, str] = {}
    relevance: dict[str, dict[str, int]] = {}
    for each in found:
        query_id = f"{ORIGIN}-{hashlib.sha256(each.query_text.encode()).hexdigest()[:16]}"
        queries[query_id] = each.query_text
        relevance.setdefault(query_id, {})[each.document_key] = each.grade
    return Judgements(queries, relevance)


def store_click_judgements(
    retriever: "Retriever",
    collection: str,
    golden_set: str,
    *,
    minimum_clicks: int = 5,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Judgements:
    """Keep what clicks say as a golden set of the origin clicks, created where it is missing.

    NotReady where no document was opened often enough to say anything; then nothing is stored.
    """
    found = retriever.click_judgements(
        collection, minimum_clicks=minimum_clicks, since=since, until=until
    )
    judgements = judgements_of_clicks(found)
    if not judgements.queries:
        raise NotReady(
            f"clicks in collection {collection} say nothing yet: no document was opened from the "
            f"same query {minimum_clicks} times and more often than its place explains"
        )
    golden_sets = retriever.golden_sets
    origins = {each.name: each.origin for each in golden_sets.list(collection)}
    if origins.get(golden_set, ORIGIN) != ORIGIN:
        raise InvalidInput(
            f"golden set {golden_set} is of the origin {origins[golden_set]}: what clicks say is "
            "kept apart from it, under another name"
        )
    with retriever.engine.begin() as connection:
        golden_sets.create(
            collection, golden_set, origin=ORIGIN, if_not_exists=True, connection=connection
        )
        golden_sets.put(collection, golden_set, judgements, judge=ORIGIN, connection=connection)
    return judgements
