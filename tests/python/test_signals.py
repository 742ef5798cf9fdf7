"""Logged queries and clicks from Python and the command line; what they say is tested in SQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from command_line import Run
from sqlalchemy import select, text

from retrieval import (
    AsyncRetriever,
    Document,
    HashingEmbedder,
    InvalidInput,
    NotFound,
    NotReady,
    Retriever,
    Worker,
    orm,
)
from retrieval.signals import store_click_judgements
from retrieval.worker.chores import TRIM_SECONDS

NOBODY = "00000000-0000-4000-8000-000000000000"
DOCUMENTS = [Document("keys", "To rotate a key."), Document("doors", "Doors have a lock.")]


@pytest.fixture
def filled(retriever: Retriever) -> Retriever:
    """The collection `handbook` with two documents, whose queries are logged."""
    retriever.ingest("handbook", DOCUMENTS)
    retriever.set_query_logging("handbook")
    return retriever


def logged(retriever: Retriever) -> list[Any]:
    with retriever.engine.connect() as connection:
        found = select(orm.LoggedQuery).order_by(orm.LoggedQuery.logged_at)
        return list(connection.execute(found))


def test_what_is_logged_of_hits(filled: Retriever) -> None:
    """Of the scores those are kept that queries can be compared by."""
    for search, scored_by in (
        ({}, "semantic_score"),
        ({"legs": ["keyword"]}, "score"),
        ({"rerank": "word-overlap"}, "rerank_score"),
    ):
        hits = filled.search("handbook", "rotate key", **search)  # type: ignore[arg-type]
        query_id = filled.log_query("handbook", "rotate key", hits)
        row = logged(filled)[-1]
        assert str(row.query_id) == query_id
        assert row.document_keys == [hit.document_key for hit in hits]
        assert row.details == {"settings": {"scored_by": scored_by}}
        scores = [getattr(hit, scored_by) for hit in hits]
        assert row.top_score == pytest.approx(max(each for each in scores if each is not None))
    documents = filled.search_documents("handbook", "key")
    details = {"settings": "mine", "milliseconds": 4}
    assert filled.log_query("handbook", "key", documents, details=details, query_id=NOBODY)
    settings = {"settings": "mine", "scored_by": "score"}
    assert logged(filled)[-1].details == {"settings": settings, "milliseconds": 4}
    assert filled.log_query("handbook", "nothing", [])
    assert logged(filled)[-1].details == {}


def test_from_a_query_to_judgements(filled: Retriever) -> None:
    filled.golden_sets.create("handbook", "default")
    with pytest.raises(NotReady, match="say nothing yet"):
        store_click_judgements(filled, "handbook", "clicked")
    for _ in range(2):
        hits = filled.search("handbook", "rotate key")
        query_id = filled.log_query("handbook", "Rotate key", hits)
        assert query_id is not None
        assert filled.log_click(query_id, "keys", collection="handbook")
        assert not filled.log_click(query_id, "keys")
    with pytest.raises(InvalidInput, match="was not shown"):
        filled.log_click(query_id, "lunch")
    with pytest.raises(NotFound):
        filled.log_click(NOBODY, "keys")
    with pytest.raises(InvalidInput):
        filled.log_click("no uuid", "keys")
    assert filled.query_report("handbook").clicked_queries == 2
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert filled.query_report("handbook", since=tomorrow).queries == 0
    (clicks,) = filled.query_clicks("handbook")
    assert (clicks.query_text, clicks.clicks) == ("rotate key", 2)
    assert filled.low_score_queries("handbook") == filled.zero_result_queries("handbook") == []
    assert [each.name for each in filled.golden_sets.list("handbook")] == ["default"]
    with pytest.raises(InvalidInput, match="golden set default is of the origin human"):
        store_click_judgements(filled, "handbook", "default", minimum_clicks=2)
    kept = store_click_judgements(filled, "handbook", "clicked", minimum_clicks=2)
    assert filled.golden_sets.judgements("handbook", "clicked") == kept
    origins = {each.name: each.origin for each in filled.golden_sets.list("handbook")}
    assert origins == {"clicked": "clicks", "default": "human"}
    ((query, relevance),) = kept.relevance.items()
    assert kept.queries == {query: "rotate key"} and relevance == {"keys": 2}
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert filled.forget_queries("handbook", before=yesterday) == 0
    assert filled.forget_queries("handbook", query="ROTATE KEY") == 2


def test_the_asynchronous_twin(filled: Retriever, database_url: str) -> None:
    async def logged() -> tuple[bool, Any]:
        async with await AsyncRetriever.open(database_url, embedder=HashingEmbedder()) as retriever:
            hits = await retriever.search("handbook", "rotate key")
            query_id = await retriever.log_query("handbook", "rotate key", hits)
            assert query_id is not None and await retriever.log_click(query_id, "keys")
            await retriever.set_query_logging("handbook", None)
            assert await retriever.log_query("handbook", "rotate key", hits) is None
            is_on = await retriever.logs_queries("handbook")
            return is_on, await retriever.query_report("handbook")

    is_on, report = asyncio.run(logged())
    assert not is_on and report == filled.query_report("handbook")
    assert (report.queries, report.clicked_queries) == (1, 1)


def test_a_worker_removes_what_has_been_kept_for_long_enough(filled: Retriever) -> None:
    filled.log_query("handbook", "old", [])
    filled.log_query("handbook", "new", [])
    with filled.engine.begin() as connection:
        connection.execute(
            text(
                "update retrieval.logged_queries set logged_at = now() - interval '91 days' "
                "where query_text = 'old'"
            )
        )
    worker = Worker(filled.engine, embedder=HashingEmbedder())
    assert worker.run(once=True) == 0
    assert [row.query_text for row in logged(filled)] == ["new"]
    assert worker._chores._trim_at > TRIM_SECONDS


def test_the_command_line(command: Run, database_url: str) -> None:
    with Retriever.open(database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        retriever.ingest("handbook", DOCUMENTS)
        enabled = command("signals", "enable", "handbook", "--retention", "36h")
        assert "kept for 36 hours" in enabled.out
        for query, hits in (("Rotate  key", retriever.search("handbook", "rotate")), ("none", [])):
            query_id = retriever.log_query("handbook", query, hits, details={"milliseconds": 5})
        assert query_id is not None
    told = command("signals", "report", "handbook").out
    assert "2 queries, 2 different; 50.0% found nothing" in told and "5.0 ms" in told
    assert "rotate key" in told and "none" in told
    report = command("signals", "report", "handbook", "--since", "1d", "--json").json
    assert report["totals"]["queries"] == 2
    assert [each["query_text"] for each in report["zero_results"]] == ["none"]
    assert command("signals", "judgements", "handbook", "--json").json == []
    nothing = command("signals", "judgements", "handbook", "--store", "clicked")
    assert nothing.code == 1 and "say nothing yet" in nothing.error
    assert command("signals", "report", "nowhere").code == 1
    assert command("signals", "enable", "handbook", "--retention", "soon").code == 2
    forgot = command("signals", "forget", "handbook", "--query", "NONE", "--older-than", "1h")
    assert "0 queries" in forgot.out
    assert "2 queries" in command("signals", "forget", "handbook").out
    assert "not logged" in command("signals", "disable", "handbook").out
