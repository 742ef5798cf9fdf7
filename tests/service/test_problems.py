"""Every error is a problem, and no request makes the service fail."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from serving import serving

from retrieval import AsyncRetriever, HashingEmbedder, SchemaMismatch
from retrieval.database import open_async_engine
from retrieval.service import create_app

SEARCH = "/v1/collections/handbook/search"
DOCUMENT = "/v1/collections/handbook/documents/a"
JSON = {"content-type": "application/json"}


def assert_problem(answer: httpx.Response, status: int, slug: str) -> str:
    """Check the form of a problem; returns its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    members = {"type", "title", "status", "detail", "instance", "request_id"}
    for_openai = {"error"} if answer.request.url.path == "/v1/embeddings" else set()
    assert set(problem) == members | for_openai
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert (status in (429, 503)) == ("retry-after" in answer.headers)
    assert (problem["type"], problem["status"]) == (f"/problems/{slug}", status)
    assert problem["instance"] == answer.request.url.raw_path.decode().partition("?")[0]
    assert problem["title"] and problem["detail"] and "\n" not in problem["detail"]
    return str(problem["detail"])


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/collections/", "/v1/collections/a%2Fb", "/%F0"]
)
def test_unknown_path(shared_client: httpx.Client, path: str) -> None:
    assert path in assert_problem(shared_client.get(path), 404, "unknown-path")


def test_method_not_allowed(shared_client: httpx.Client) -> None:
    answer = shared_client.patch(DOCUMENT)
    detail = assert_problem(answer, 405, "method-not-allowed")
    assert detail == "PATCH is not allowed here; allowed: DELETE, GET, PUT"
    assert answer.headers["allow"] == "DELETE, GET, PUT"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"query": NaN}',
        b'{"query": "a", "metadata_filter": {"year": -Infinity}}',
        b'"\xed\xa0\x80"',
        b'{"query": "a", "max_results": ' + b"9" * 5000 + b"}",
        b'{"query": "a"} trailing',
        json.dumps({"query": "a"}).encode("utf-16"),
    ],
)
def test_no_json(shared_client: httpx.Client, body: bytes) -> None:
    answer = shared_client.post(SEARCH, content=body, headers=JSON)
    assert_problem(answer, 400, "malformed-request")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (r'{"query": "a\u0000b"}', "query: text with a NUL"),
        (r'{"query": "\ud800"}', "query: text with a lone surrogate"),
        (r'{"query": "a", "space": "\u0000"}', "space: text with a NUL"),
        (r'{"query": "a", "metadata_filter": {"a": [{"b": "\u0000"}]}}', "metadata_filter.a.b:"),
        (r'{"query": "a", "metadata_filter": {"\udfff": 1}}', "metadata_filter: "),
        (r'{"query": "a", "metadata_filter": {"a": 1e400}}', "metadata_filter.a: the number"),
        (r'{"query": "a", "\ud800": 1}', "body: text with a lone surrogate"),
        ('{"query": "a", "metadata_filter": ' + '{"a":' * 110 + "1" + "}" * 111, "filter"),
        ('{"query": "a", "metadata_filter": ' + '{"$not":' * 110 + "{}" + "}" * 111, "filter"),
        ('{"query": "a", "metadata_filter": ' + '{"$not":' * 200 + "{}" + "}" * 201, "deep"),
        ("[" * 40_000 + "]" * 40_000, "deep"),
    ],
)
def test_json_that_cannot_be_used(shared_client: httpx.Client, body: str, detail: str) -> None:
    answer = shared_client.post(SEARCH, content=body, headers=JSON)
    assert detail in assert_problem(answer, 422, "invalid-input")


@pytest.mark.parametrize(
    "field", ['"content": "\\u0000"', '"title": "\\ud800"', '"metadata": {"\\u0000": 1}']
)
def test_a_document_that_cannot_be_stored(shared_client: httpx.Client, field: str) -> None:
    body = '{"content": "a", ' + field + "}"
    assert_problem(shared_client.put(DOCUMENT, content=body, headers=JSON), 422, "invalid-input")
    assert_problem(shared_client.get(DOCUMENT), 404, "not-found")


def test_metadata_of_any_depth_that_is_taken_can_be_read(client: httpx.Client) -> None:
    body = '{"content": "deep", "metadata": ' + '{"a":' * 126 + "1" + "}" * 127
    assert client.put(DOCUMENT, content=body, headers=JSON).status_code == 201
    assert client.get(DOCUMENT).status_code == 200
    assert client.post(SEARCH, json={"query": "deep"}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("key", "status", "slug"),
    [("%00", 422, "invalid-input"), ("a%FF", 400, "malformed-request")],
)
def test_a_path_that_is_no_text(
    shared_client: httpx.Client, method: str, key: str, status: int, slug: str
) -> None:
    body = {"content": "a"} if method == "PUT" else None
    for path in (f"/v1/collections/handbook/documents/{key}", f"/v1/collections/{key}/documents/a"):
        assert_problem(shared_client.request(method, path, json=body), status, slug)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", ";"])
def test_wrong_content_type(shared_client: httpx.Client, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = shared_client.post(SEARCH, content=b'{"query": "a"}', headers=headers)
    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/a+json"])
def test_every_json_content_type(shared_client: httpx.Client, kind: str) -> None:
    answer = shared_client.post(SEARCH, content=b'{"query": "a"}', headers={"content-type": kind})
    assert answer.status_code == 200


def test_validation_names_fields_in_one_short_line(shared_client: httpx.Client) -> None:
    answer = shared_client.post(SEARCH, json={"max_results": 0, "b\nc" * 10_000: 1})
    detail = assert_problem(answer, 422, "invalid-input")
    assert detail.startswith("query: Field required; max_results: Input should be greater")
    assert len(detail) <= 500
    assert "body: Field required" in assert_problem(
        shared_client.post(SEARCH, headers=JSON), 422, "invalid-input"
    )


def test_a_body_that_is_too_large(shared_client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"query": "'
        for _ in range(11):
            yield b"a" * 10_000
        yield b'"}'

    announced = shared_client.post(SEARCH, content=b"".join(chunks()), headers=JSON)
    detail = assert_problem(announced, 413, "content-too-large")
    assert detail == "the body is larger than 100000 bytes"
    streamed = shared_client.post(SEARCH, content=chunks(), headers=JSON)
    assert_problem(streamed, 413, "content-too-large")
    assert shared_client.get("/healthz").status_code == 200


def test_alive_and_ready(shared_client: httpx.Client) -> None:
    assert shared_client.get("/healthz").json() == {"status": "alive"}
    ready = shared_client.get("/readyz").json()
    assert ready["status"] == "ready" and set(ready["checks"]) == {
        "database",
        "schema",
        "model",
        "indexes",
    }


def ask(retriever: AsyncRetriever, *paths: str) -> list[httpx.Response]:
    """GET from the application without a server, over the given retriever."""

    async def asked() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(retriever), raise_app_exceptions=False)
        async with (
            retriever,
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            return [await client.get(path) for path in paths]

    return asyncio.run(asked())


def test_the_callers_retriever(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_WARM_UP", "false")  # nobody would close what that opens
    retriever = AsyncRetriever(open_async_engine(database_url), embedder=HashingEmbedder())
    ready, collections = ask(retriever, "/readyz", "/v1/collections")
    assert ready.status_code == 200
    assert collections.json() == {"collections": []}
    with serving(create_app(retriever)) as client:
        assert client.get("/healthz").status_code == 200


def test_a_schema_that_is_not_there(empty_database_url: str) -> None:
    retriever = AsyncRetriever(open_async_engine(empty_database_url))
    alive, ready, listed = ask(retriever, "/healthz", "/readyz", "/v1/collections")
    assert alive.status_code == 200
    assert "retrieval init" in assert_problem(ready, 503, "schema-mismatch")
    assert_problem(listed, 503, "schema-mismatch")


def test_a_role_that_may_not(database_url: str) -> None:
    retriever = AsyncRetriever(open_async_engine(database_url), embedder=HashingEmbedder())
    (listed,) = ask(retriever.for_tenant("", role="pg_monitor"), "/v1/collections")
    assert assert_problem(listed, 403, "not-permitted") == "permission denied for schema retrieval"


def test_a_database_that_is_not_there() -> None:
    engine = open_async_engine("postgresql://secret:secret@127.0.0.1:1/secret")
    for answer in ask(AsyncRetriever(engine), "/readyz", "/v1/collections"):
        assert "secret" not in assert_problem(answer, 503, "database-unavailable")


def test_a_service_does_not_start_on_a_schema_that_is_not_there(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", empty_database_url)
    app = create_app()

    async def start() -> None:
        async with app.router.lifespan_context(app):
            raise AssertionError("the service started")

    with pytest.raises(SchemaMismatch):
        asyncio.run(start())


def test_an_unexpected_error_says_nothing(database_url: str) -> None:
    class Broken(AsyncRetriever):
        async def collections(self, **_: object) -> list[object]:  # type: ignore[override]
            raise RuntimeError("a secret")

    (answer,) = ask(Broken(open_async_engine(database_url)), "/v1/collections")
    assert "secret" not in assert_problem(answer, 500, "internal-error")
