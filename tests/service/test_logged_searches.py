"""Searches are logged beside their answers where a collection has opted in, and so are clicks."""

import asyncio
import logging
import time
from typing import Any

import httpx
import psycopg
import pytest
from issued_keys import bearer, issue
from serving import serving

from retrieval.errors import DatabaseUnavailable
from retrieval.search import AsyncRetriever
from retrieval.service import create_app
from retrieval.service.query_log import QueryLog

COLLECTION = "/v1/collections/handbook"
NOBODY = "00000000-0000-4000-8000-000000000000"
CANARY = "canary-5521"


def search(client: httpx.Client, query: str, kind: str = "search", **body: Any) -> dict[str, Any]:
    answer = client.post(f"{COLLECTION}/{kind}", json={"query": query, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def click(client: httpx.Client, query_id: str, key: str = "keys") -> int:
    body = {"query_id": query_id, "document_key": key}
    return client.post(f"{COLLECTION}/clicks", json=body).status_code


def turn_on(client: httpx.Client, **body: Any) -> None:
    assert client.put(f"{COLLECTION}/query-logging", json=body).status_code == 204


def report(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get(f"{COLLECTION}/query-report", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_from_a_search_to_the_report(client: httpx.Client, database_url: str) -> None:
    client.put(f"{COLLECTION}/documents/keys", json={"content": "To rotate a key."})
    assert "query_id" not in search(client, "rotate a key")
    turn_on(client, retention_days=30)
    first = search(client, "Rotate a key", metadata_filter={}, legs=["keyword"], highlight=True)
    assert click(client, first["query_id"]) == click(client, first["query_id"]) == 204
    assert (
        first["hits"][0]["highlight"] and search(client, "rotate")["hits"][0]["highlight"] is None
    )
    assert search(client, "rotate a key", "search/documents")["query_id"]
    assert "query_id" not in search(client, "what is being typed", log=False)
    assert "query_id" not in search(client, "what is being typed", "search/documents", log=False)
    last = search(client, "cabbage", legs=["keyword"])["query_id"]
    assert click(client, last) == 422 and click(client, NOBODY) == 404
    found = report(client)
    assert [each["query_text"] for each in found["zero_results"]] == ["cabbage"]
    clicked = {each["query_text"]: each["clicks"] for each in found["clicks"]}
    assert clicked == {"rotate a key": 1, "rotate": 0}
    assert found["totals"]["queries"] == 4 and found["totals"]["milliseconds_p50"] > 0
    assert found["low_scores"] == []
    with psycopg.connect(database_url) as connection:
        details = connection.execute(
            "select details from retrieval.logged_queries where query_id = %s", [first["query_id"]]
        ).fetchone()
    assert details is not None
    (kept,) = details
    assert kept["settings"] == {"legs": ["keyword"], "scored_by": "score"}
    assert kept["result_offset"] == 0 and kept["milliseconds"] > 0
    judged = client.get(f"{COLLECTION}/click-judgements", params={"minimum_clicks": 1}).json()
    assert [each["document_key"] for each in judged["judgements"]] == ["keys"]
    for wrong in ({"since": "2026-01-01T00:00:00"}, {"limit": 0}):
        assert client.get(f"{COLLECTION}/query-report", params=wrong).status_code == 422
    assert report(client, since="2126-01-01T00:00:00Z")["totals"]["queries"] == 0
    metrics = client.get("/metrics").text
    assert 'retrieval_queries_logged_total{outcome="stored"} 4.0' in metrics
    forgot = client.delete(f"{COLLECTION}/logged-queries", params={"query": "CABBAGE"})
    assert forgot.json() == {"queries": 1}
    turn_on(client)
    assert "query_id" not in search(client, "rotate a key")
    assert client.delete(f"{COLLECTION}/logged-queries").json() == {"queries": 3}


def test_what_each_key_may(
    client: httpx.Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who searches may click, and is not told what others asked; each tenant has its own log."""
    turn_on(client, retention_days=30)
    client.post("/v1/collections", json={"name": "other"})
    reader = bearer(issue(database_url, "read", tenant="acme"))
    writer = bearer(issue(database_url, "read", "write", tenant="acme"))
    stranger = bearer(issue(database_url, "read", "write", tenant="bolt"))
    elsewhere = bearer(issue(database_url, "read", collections=["other"], tenant="acme"))
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "keys")
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", database_url)
    monkeypatch.setenv("RETRIEVAL_MODEL", "hashing")
    with serving(create_app()) as guarded:
        document = {"content": "To rotate a key."}
        guarded.put(f"{COLLECTION}/documents/keys", json=document, headers=writer)
        found = guarded.post(f"{COLLECTION}/search", json={"query": "key"}, headers=reader).json()
        body = {"query_id": found["query_id"], "document_key": "keys"}
        for key, name, status in (
            (reader, "handbook", 204),
            (reader, "other", 404),
            (stranger, "handbook", 404),
            (elsewhere, "handbook", 404),
            (elsewhere, "other", 404),
        ):
            answer = guarded.post(f"/v1/collections/{name}/clicks", json=body, headers=key)
            assert answer.status_code == status
        asked = f"{COLLECTION}/query-report"
        assert guarded.get(asked, headers=reader).status_code == 403
        assert guarded.get(asked, headers=stranger).json()["totals"]["queries"] == 0
        assert guarded.get(asked, headers=writer).json()["totals"]["clicked_queries"] == 1
        logged = f"{COLLECTION}/logged-queries"
        assert guarded.delete(logged, headers=reader).status_code == 403
        assert guarded.delete(logged, headers=stranger).json() == {"queries": 0}
        off = guarded.put(f"{COLLECTION}/query-logging", json={}, headers=writer)
        assert off.status_code == 403


def test_what_is_still_to_be_stored_when_the_service_ends(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an answer does not wait for it."""
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", database_url)
    monkeypatch.setenv("RETRIEVAL_MODEL", "hashing")
    stored = AsyncRetriever.log_query

    async def slowly(self: AsyncRetriever, *given: Any, **options: Any) -> str | None:
        await asyncio.sleep(1)
        return await stored(self, *given, **options)

    monkeypatch.setattr(AsyncRetriever, "log_query", slowly)
    with serving(create_app()) as client:
        client.post("/v1/collections", json={"name": "handbook"})
        turn_on(client, retention_days=1)
        search(client, "warm")  # now it is known that queries are logged
        began = time.monotonic()
        search(client, "key", legs=["keyword"])
        assert time.monotonic() - began < 0.9
    with psycopg.connect(database_url) as connection:
        count = connection.execute("select count(*) from retrieval.logged_queries").fetchone()
    assert count == (2,)


def test_a_log_that_cannot_be_written_fails_no_search(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turn_on(client, retention_days=30)

    async def broken(*given: Any, **options: Any) -> None:
        raise RuntimeError(CANARY)

    async def away(*given: Any, **options: Any) -> bool:
        raise DatabaseUnavailable("PostgreSQL cannot be reached")

    monkeypatch.setattr(AsyncRetriever, "log_query", broken)
    with caplog.at_level(logging.WARNING):
        assert search(client, CANARY, legs=["keyword"])["query_id"]
        failed = 'retrieval_queries_logged_total{outcome="failed"} 1.0'
        deadline = time.monotonic() + 10
        while failed not in client.get("/metrics").text:
            assert time.monotonic() < deadline
        monkeypatch.setattr(AsyncRetriever, "logs_queries", away)
        turn_on(client, retention_days=30)
        assert "query_id" not in search(client, CANARY, legs=["keyword"])
    said = [record.getMessage() for record in caplog.records]
    assert [each.split()[0] for each in said] == [
        "event=query_not_logged",
        "event=query_logging_unknown",
    ]
    assert CANARY not in caplog.text


def test_whether_a_collection_is_logged_is_asked_once_in_a_while(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    known = AsyncRetriever.logs_queries

    async def counting(self: AsyncRetriever, collection: str) -> bool:
        asked.append(collection)
        return await known(self, collection)

    monkeypatch.setattr(AsyncRetriever, "logs_queries", counting)
    for _ in range(3):
        search(client, "key", legs=["keyword"])
    assert asked == ["handbook"]
    monkeypatch.setattr("retrieval.service.query_log.SECONDS", 0.0)
    turn_on(client, retention_days=1)
    for _ in range(2):
        assert search(client, "key", legs=["keyword"])["query_id"]
    assert len(asked) == 3


def test_more_than_can_be_stored_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieval.service.metrics import Metrics
    from retrieval.service.search_schemas import Search

    monkeypatch.setattr("retrieval.service.query_log.MOST_WAITING", 2)

    class Stuck:
        async def logs_queries(self, collection: str) -> bool:
            return True

        async def log_query(self, *given: Any, **options: Any) -> None:
            await asyncio.sleep(0.01)

    async def ask() -> list[bool]:
        metrics = Metrics()
        log, retriever = QueryLog(metrics.queries_logged), Stuck()
        body = Search(query="key")
        answers = [await log.begin(retriever, "c", body, [], 1.0) for _ in range(3)]  # type: ignore[arg-type]
        await log.finish()
        dropped = metrics.registry.get_sample_value(
            "retrieval_queries_logged_total", {"outcome": "dropped"}
        )
        assert dropped == 1
        return ["query_id" in answer for answer in answers]

    assert asyncio.run(ask()) == [True, True, False]
