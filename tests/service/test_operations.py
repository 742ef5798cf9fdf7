"""The service in operation: what it says of itself, and what it does when something is missing."""

import asyncio
import io
import json
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import serving
from sqlalchemy.ext.asyncio import create_async_engine
from test_problems import assert_problem

from retrieval import AsyncRetriever, ConfigurationError, HashingEmbedder, ModelUnavailable
from retrieval.database import open_async_engine
from retrieval.embedding import hashing
from retrieval.logs import logging_to
from retrieval.service import create_app
from retrieval.service.backlog import Backlog
from retrieval.service.metrics import Metrics
from retrieval.service.tracing import ENDPOINTS, Tracing, open_tracing

CANARY = "canary7291"
SEARCH = "/v1/collections/handbook/search"
DOCUMENT = "/v1/collections/handbook/documents/a"
KEYWORD = {"query": CANARY, "legs": ["keyword"]}


@contextmanager
def operated(database_url: str, collection: bool = True, **settings: str) -> Iterator[Any]:
    """A client of a service with these settings, and its application and log."""
    log = io.StringIO()
    with ExitStack() as opened:
        environment = opened.enter_context(pytest.MonkeyPatch.context())
        for name, value in {
            "database_url": database_url,
            "authentication": "off",
            "model": "hashing",
            "log_format": "json",
            "measured_searches": "1",
            **settings,
        }.items():
            environment.setenv(f"RETRIEVAL_{name.upper()}", value)
        app = create_app()
        opened.enter_context(logging_to(log))
        client = opened.enter_context(serving(app))
        if collection:
            client.post("/v1/collections", json={"name": "handbook"}).raise_for_status()
            client.put(DOCUMENT, json={"content": f"{CANARY} words"}).raise_for_status()
        yield Operated(client, app, log, database_url)


class Operated:
    """A running service, with what there is to look at."""

    def __init__(self, client: httpx.Client, app: Any, log: io.StringIO, url: str) -> None:
        self.client = client
        self.app = app
        self.log = log
        self.url = url

    def events(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [each for each in found if each.get("event") == event]

    def sample(self, name: str, **labels: str) -> float | None:
        """A figure of /metrics."""
        for family in text_string_to_metric_families(self.client.get("/metrics").text):
            for each in family.samples:
                if each.name == name and labels.items() <= each.labels.items():
                    return float(each.value)
        return None

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let every search wait."""
        with psycopg.connect(self.url) as connection:
            connection.execute("lock table retrieval.chunks in access exclusive mode")
            yield
            connection.rollback()


@pytest.fixture(scope="module")
def service(module_database_url: str) -> Iterator[Operated]:
    """A service with one document."""
    with operated(module_database_url) as running:
        yield running


def wait_until(is_so: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Logs


def test_a_request_has_one_line(service: Operated) -> None:
    answer = service.client.post(SEARCH, json=KEYWORD, headers={"X-Request-ID": "ab-1/c:d"})
    assert answer.headers["x-request-id"] == "ab-1/c:d"
    wait_until(lambda: any(e["request_id"] == "ab-1/c:d" for e in service.events("request")))
    (event,) = [e for e in service.events("request") if e["request_id"] == "ab-1/c:d"]
    assert event.pop("milliseconds") > 0 and event.pop("time")
    assert event == {
        "level": "INFO",
        "logger": "retrieval.service",
        "event": "request",
        "request_id": "ab-1/c:d",
        "method": "POST",
        "route": "/v1/collections/{name}/search",
        "status": 200,
        "bytes": len(answer.content),
    }


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "é", '"x"'])
def test_an_id_that_is_none_is_replaced(service: Operated, given: str) -> None:
    answer = service.client.get("/nowhere", headers={"X-Request-ID": given.encode()})
    made = answer.headers["x-request-id"]
    assert made != given and len(made) == 32 and answer.json()["request_id"] == made


def test_the_log_holds_no_texts(database_url: str) -> None:
    quoting = f"""
        create function quote() returns trigger language plpgsql as $$
        begin
            if new.title = 'explode' then
                raise exception 'row %', new.metadata
                    using errcode = '38000', detail = new.metadata;
            end if;
            return new;
        end $$;
        create trigger quote before insert on retrieval.documents
            for each row execute function quote();
        alter table retrieval.documents add constraint telling check (title <> 'telling {CANARY}')
    """
    with operated(database_url) as service:
        put, post = service.client.put, service.client.post
        service.execute(quoting)
        failed = put(
            f"{DOCUMENT}-{CANARY}",
            json={"content": CANARY, "title": "explode", "metadata": {"secret": CANARY}},
        )
        assert_problem(failed, 500, "internal-error")
        refused = put(f"{DOCUMENT}2", json={"content": "a", "title": f"telling {CANARY}"})
        assert refused.status_code == 422
        assert post(SEARCH, json=KEYWORD).json()["hits"]
        filtered = {"query": CANARY, "metadata_filter": {CANARY: {"$no": 1}}}
        assert post(SEARCH, json=filtered).status_code == 422
        assert post(SEARCH, content=CANARY).status_code == 415
        service.client.get(f"/nowhere?query={CANARY}")
        wait_until(lambda: len(service.events("request")) >= 8)
        (event,) = service.events("failed")
        assert event["error"] == "DatabaseError (SQLSTATE 38000)"
        assert event["request_id"] == failed.json()["request_id"]
        assert "put_document" in event["traceback"]
        assert CANARY not in service.log.getvalue()


def test_an_unexpected_error_is_logged_once(
    database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_WARM_UP", "false")  # nobody would close what that opens

    class Broken(AsyncRetriever):
        async def collections(self, **_: object) -> list[Any]:
            raise RuntimeError(CANARY)

    retriever = Broken(open_async_engine(database_url), embedder=HashingEmbedder())
    with caplog.at_level(logging.INFO), serving(create_app(retriever)) as client:
        answer = client.get("/v1/collections")
        assert_problem(answer, 500, "internal-error")
    # in whatever form the log of another server is written
    assert caplog.text.count("in collections") == 1 and CANARY not in caplog.text
    assert f"request_id={answer.headers['x-request-id']}" in caplog.text


# Metrics


def test_metrics(database_url: str) -> None:
    with operated(database_url) as service:
        post, sample = service.client.post, service.sample
        post(SEARCH, json=KEYWORD)
        post(SEARCH, json={"query": CANARY})
        service.client.get(f"/{CANARY}")
        service.client.request("PROPFIND", SEARCH)
        route = {"method": "POST", "route": "/v1/collections/{name}/search", "status": "200"}
        assert sample("retrieval_request_duration_seconds_count", **route) == 2
        assert sample("retrieval_request_duration_seconds_count", route="unmatched") == 1
        assert sample("retrieval_request_duration_seconds_count", method="OTHER") == 1
        assert sample("retrieval_search_duration_seconds_count", legs="keyword") == 1
        assert sample("retrieval_search_duration_seconds_count", legs="keyword+semantic") == 1
        assert sample("retrieval_leg_duration_seconds_count", leg="keyword") == 2
        assert sample("retrieval_leg_duration_seconds_count", leg="semantic") == 1
        assert 0 < (sample("retrieval_leg_duration_seconds_sum", leg="semantic") or 0) < 10
        assert sample("retrieval_query_embedding_duration_seconds_count") == 1
        assert sample("retrieval_query_embedding_batch_size_sum") == 1
        assert sample("retrieval_document_embedding_duration_seconds_count") == 1
        assert sample("retrieval_embedding_cache_misses_total") == 1
        assert sample("retrieval_pool_size", database="primary") == 10
        assert sample("retrieval_pool_checked_out", database="primary") == 0
        assert sample("retrieval_requests_in_flight") == 1  # the one that asks
        assert sample("retrieval_info", version="0.1.0") == 1
        assert (sample("process_resident_memory_bytes") or 0) > 1e7
        again = {"content": f"{CANARY} words"}
        service.client.put(f"{DOCUMENT}b", json=again).raise_for_status()
        assert sample("retrieval_embedding_cache_hits_total") == 1
        text = service.client.get("/metrics").text
        assert CANARY not in text and "handbook" not in text


def test_each_application_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.requests_shed.labels("queue").inc()
    name, labels = "retrieval_requests_shed_total", {"reason": "queue"}
    assert one.registry.get_sample_value(name, labels) == 1
    assert other.registry.get_sample_value(name, labels) is None


def test_the_backlog(database_url: str) -> None:
    with operated(database_url, measured_searches="0") as service:
        service.execute(
            "select retrieval.add_document('handbook', n::text, 'some words ' || n)"
            " from generate_series(1, 3) n"
        )
        assert service.sample("retrieval_jobs_chunks", state="pending") == 3
        assert (service.sample("retrieval_jobs_oldest_seconds") or 0) > 0
        service.client.post(SEARCH, json={"query": "words"})
        assert service.sample("retrieval_leg_duration_seconds_count") is None


def test_a_backlog_that_nobody_knows_is_none() -> None:
    metrics = Metrics()
    metrics.jobs.labels("pending").set(5)
    unreachable = AsyncRetriever(open_async_engine("postgresql://127.0.0.1:1/nowhere"))
    asyncio.run(Backlog(metrics).refresh(unreachable))
    assert metrics.registry.get_sample_value("retrieval_jobs_chunks", {"state": "pending"}) is None


# Readiness


def test_what_is_ready(service: Operated) -> None:
    wait_until(lambda: service.client.get("/readyz").status_code == 200)
    assert service.client.get("/readyz").json() == {
        "status": "ready",
        "checks": {
            "database": "ok",
            "schema": "0001_foundation",
            "model": "loaded",
            "indexes": "ok",
        },
    }


def test_indexes(database_url: str) -> None:
    with operated(database_url) as service:
        wait_until(lambda: service.client.get("/readyz").status_code == 200)
        assert service.client.get("/readyz").json()["checks"]["indexes"] == "ok"
        service.execute(
            "update pg_index set indisvalid = false"
            " where indexrelid::regclass::text like 'retrieval.embeddings_%_index'"
        )
        detail = assert_problem(service.client.get("/readyz"), 503, "index-invalid")
        assert detail.startswith("indexes: not valid: embeddings_")
        with psycopg.connect(service.url) as builder:  # as long as it is being built
            (table,) = builder.execute(  # type: ignore[misc]
                "select indrelid::regclass::text from pg_index where not indisvalid"
            ).fetchone()
            builder.execute(f"lock table {table} in share update exclusive mode")
            ready = service.client.get("/readyz").json()
            assert ready["checks"]["indexes"].startswith("ok; 1 active")


def test_not_ready_while_it_is_stopped(service: Operated) -> None:
    service.app.state.operations.is_draining = True
    try:
        detail = assert_problem(service.client.get("/readyz"), 503, "shutting-down")
        assert detail.startswith("service: ")
        assert service.client.get("/healthz").status_code == 200
        assert service.client.post(SEARCH, json=KEYWORD).status_code == 200
    finally:
        service.app.state.operations.is_draining = False


def test_not_ready_before_the_model_is(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [True]
    embed = hashing.HashingEmbedder.embed_query

    def embed_query(self: Any, text: str) -> Any:
        if missing and text == "probe":
            raise ModelUnavailable(f"no model at a-secret-host: {CANARY}")
        return embed(self, text)

    monkeypatch.setattr(hashing.HashingEmbedder, "embed_query", embed_query)
    monkeypatch.setattr("retrieval.worker.backoff.FIRST_SECONDS", 0.1)
    with operated(database_url, collection=False) as service:
        wait_until(lambda: service.events("model_unavailable"))
        detail = assert_problem(service.client.get("/readyz"), 503, "model-unavailable")
        assert detail == "model: cannot be loaded"
        missing.clear()
        wait_until(lambda: service.client.get("/readyz").status_code == 200)


def test_models_of_spaces(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        for collection, model in (("handbook", "hashing"), ("other", "/not/there")):
            session.execute("select retrieval.create_collection(%s)", [collection])
            session.execute("select retrieval.create_space(%s, 's', %s, 64)", [collection, model])
            session.execute("select retrieval.activate_space(%s, 's')", [collection])
        session.execute("select retrieval.add_document('other', 'a', 'some words')")
    with operated(database_url, collection=False) as service:
        wait_until(lambda: service.client.get("/readyz").status_code == 200)
        model = service.client.get("/readyz").json()["checks"]["model"]
        assert model == "loaded, but of 2 models 1 are not there"
        search = f"{SEARCH}".replace("handbook", "other")
        missing = service.client.post(search, json={"query": "words"})
        assert "/not/there" in assert_problem(missing, 503, "model-unavailable")
        by_words = service.client.post(search, json={"query": "words", "legs": ["keyword"]})
        assert [each["document_key"] for each in by_words.json()["hits"]] == ["a"]
    with operated(database_url, collection=False, model="/not/there") as service:
        wait_until(lambda: service.events("model_unavailable"))
        assert_problem(service.client.get("/readyz"), 503, "model-unavailable")
    with operated(database_url, collection=False, warm_up="false") as service:
        checks = service.client.get("/readyz").json()["checks"]
        assert checks["model"] == "loaded when it is first needed"


# Time


def test_a_search_has_its_time(database_url: str) -> None:
    with operated(database_url, statement_timeout_seconds="0.2") as service:
        with service.locked():
            slow = service.client.post(SEARCH, json=KEYWORD)
        assert "in the time" in assert_problem(slow, 504, "database-timeout")
        assert service.client.post(SEARCH, json=KEYWORD).status_code == 200
        with service.locked():  # what writes waits
            url = str(service.client.base_url)
            waiting = httpx.AsyncClient(base_url=url)

            async def put() -> int:
                async with waiting as client:
                    pending = asyncio.create_task(client.put(DOCUMENT, json={"content": "new"}))
                    await asyncio.sleep(0.4)
                    return 0 if not pending.done() else (await pending).status_code

            # the client goes while it waits: what writes comes to its end all the same
            assert asyncio.run(put()) == 0
        wait_until(lambda: service.client.get(DOCUMENT).json()["content"] == "new")


def test_a_client_that_goes(database_url: str) -> None:
    with operated(database_url) as service, service.locked():
        host, port = service.client.base_url.host, service.client.base_url.port
        body = json.dumps(KEYWORD).encode()
        head = f"POST {SEARCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        request = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        pool = service.app.state.retriever.engine.pool
        with psycopg.connect(service.url, autocommit=True) as watching:

            def waits() -> int:
                (count,) = watching.execute(waiting).fetchone() or (0,)
                return int(count)

            with socket.create_connection((host, port)) as client:
                client.sendall(request)
                wait_until(lambda: waits() == 1)
                assert pool.checkedout() == 1
            wait_until(lambda: waits() == 0)
            wait_until(lambda: pool.checkedout() == 0)
        wait_until(lambda: any(e["status"] == 499 for e in service.events("request")))
        assert not service.events("failed")


def test_a_pool_without_a_free_connection(database_url: str) -> None:
    url = open_async_engine(database_url).url
    engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.1)

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(AsyncRetriever(engine)))
        async with engine.connect(), httpx.AsyncClient(transport=transport) as client:
            answer = await client.get("http://127.0.0.1/v1/collections")
        await engine.dispose()
        return answer

    assert_problem(asyncio.run(asked()), 503, "overloaded")


# Traces


def test_traces_are_sent_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert open_tracing() is None
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert open_tracing() is None  # not installed
    monkeypatch.setenv("RETRIEVAL_OPENTELEMETRY", "on")
    with pytest.raises(ConfigurationError, match=r"retrieval\[opentelemetry\]"):
        open_tracing()
    monkeypatch.delitem(sys.modules, "opentelemetry.sdk.trace")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    tracing = open_tracing()
    assert tracing is not None
    tracing.close()


def test_traces(database_url: str) -> None:
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter, provider = memory.InMemorySpanExporter(), trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with operated(database_url) as service:
        observer = service.app.state.operations.observer
        object.__setattr__(observer, "tracing", Tracing(provider))
        service.client.post(
            SEARCH, json={"query": CANARY}, headers={"traceparent": caller}
        ).raise_for_status()
        service.client.post(SEARCH, json={"query": CANARY, "space": "nowhere"})
    spans = exporter.get_finished_spans()
    (request, refused) = [each for each in spans if each.parent is None or each.parent.is_remote]
    assert request.name == "POST /v1/collections/{name}/search"
    assert request.attributes["http.response.status_code"] == 200
    assert format(request.context.trace_id, "032x") == caller.split("-")[1]
    assert refused.attributes["http.response.status_code"] == 404
    inside = {e.name: e for e in spans if e.parent and e.parent.span_id == request.context.span_id}
    assert inside.keys() == {"embed_queries", "search"}
    assert inside["search"].attributes["retrieval.legs"] == "keyword+semantic"
    assert all(CANARY not in each.to_json() for each in spans)
