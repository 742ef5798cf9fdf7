"""What the service lets web pages do: those of other origins, and its own."""

import asyncio
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from test_problems import assert_problem

from retrieval import AsyncRetriever
from retrieval.database import open_async_engine
from retrieval.service import create_app
from retrieval.service.loopback import is_loopback
from retrieval.service.security_headers import SecurityHeaders
from retrieval.settings import Settings

COLLECTIONS = "/v1/collections"
DOCUMENT = "/v1/collections/handbook/documents/a"
PAGE = "https://app.example"
LOCAL = "http://127.0.0.1:8000"


class Broken(AsyncRetriever):
    async def collections(self, **_: object) -> list[object]:  # type: ignore[override]
        raise RuntimeError


@cache
def application(settings: Settings) -> FastAPI:
    """One that needs no database for what is asked of it here."""
    return create_app(Broken(open_async_engine("postgresql://nobody@127.0.0.1:1/nothing")))


def ask(
    path: str,
    method: str = "GET",
    *,
    server: str | None = None,
    **arrival: Any,
) -> httpx.Response:
    """Ask by an address of the service: that of the URL, unless another is given."""
    app = application(Settings())

    async def arriving(scope: Scope, receive: Receive, send: Send) -> None:
        if server is not None:
            scope["server"] = (server, None)
        await app(scope, receive, send)

    return send(arriving, path, method, **arrival)


def send(
    app: ASGIApp,
    path: str,
    method: str = "GET",
    *,
    base_url: str = LOCAL,
    client: str = "127.0.0.1",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Ask an application without a server, from an address."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as asking:
            return await asking.request(method, path, headers=headers)

    return asyncio.run(asked())


@pytest.fixture
def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "keys")


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RETRIEVAL_CORS_ORIGINS", f'["https://other.example", "{PAGE}"]')
    yield PAGE


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), (COLLECTIONS, 500), ("/nothing", 404), (DOCUMENT, 503)],
)
def test_every_answer_has_the_headers(path: str, status: int) -> None:
    answer = ask(path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';") and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy


def test_a_refusal_has_them_too(with_keys: None) -> None:
    answer = ask(COLLECTIONS)
    assert answer.status_code == 401
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_about_the_api_may_load_what_it_is_made_of() -> None:
    answer = ask("/docs")
    policy = answer.headers["content-security-policy"]
    for source in ("https://cdn.jsdelivr.net", "'unsafe-inline'", "frame-ancestors 'none'"):
        assert source in policy
    assert "https://cdn.jsdelivr.net" in answer.text
    assert ask("/redoc").status_code == ask("/docs/oauth2-redirect").status_code == 404


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, "no-store"),
        ({"ETag": '"1"'}, "private, no-cache"),
        ({"Cache-Control": "max-age=9", "X-Frame-Options": "SAMEORIGIN"}, "max-age=9"),
    ],
)
def test_what_a_route_says_stays(given: dict[str, str], kept: str) -> None:
    answer = send(SecurityHeaders(Response(headers=given)), "/v1/there")
    assert answer.headers.get_list("cache-control") == [kept]
    assert answer.headers.get_list("x-frame-options") == [given.get("X-Frame-Options", "DENY")]


def test_only_answers_of_the_api_are_not_kept() -> None:
    assert "cache-control" not in ask("/healthz").headers


# pages of other origins

PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def told(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


def test_no_page_of_another_origin_is_let_in(with_keys: None) -> None:
    preflight = ask(DOCUMENT, "OPTIONS", headers=PREFLIGHT)
    assert preflight.status_code == 401 and not told(preflight)
    assert not told(ask("/healthz", headers={"Origin": PAGE}))


def test_pages_that_are_listed_are(with_keys: None, allowed: str) -> None:
    preflight = ask(DOCUMENT, "OPTIONS", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    refused = ask(COLLECTIONS, headers={"Origin": PAGE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in preflight.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example", "null", "*"])
def test_and_no_others(with_keys: None, allowed: str, origin: str) -> None:
    answer = ask(DOCUMENT, "OPTIONS", headers={**PREFLIGHT, "Origin": origin})
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in ask("/healthz", headers={"Origin": origin}).headers


@pytest.mark.parametrize(
    "origins",
    ['["*"]', '["https://*.example"]', '["app.example"]', '["https://a.example/"]', '["null"]'],
)
def test_an_origin_is_written_out(origins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_CORS_ORIGINS", origins)
    with pytest.raises(ValidationError, match="an origin looks like"):
        Settings()


# without authentication


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "LOCALHOST"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "a",
        "2130706433",
    ],
)
def test_no_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1", "http://localhost:8000", "http://[::1]:8000"]
)
def test_a_program_of_this_machine(base_url: str) -> None:
    assert ask("/healthz", base_url=base_url, server="127.0.0.1").status_code == 200


@pytest.mark.parametrize(
    "arrival",
    [
        {"server": "192.168.1.2"},
        {"server": "/run/retrieval.sock"},
        {"client": "192.168.1.3"},
        {"client": ""},
        {"base_url": "http://evil.example:8000", "server": "127.0.0.1"},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"Host": "localhost:1@evil.example"}},
        {"headers": {"Host": "["}},
        {"headers": {"Host": ""}},
        {"headers": {"Origin": "http://evil.example"}},
        {"headers": {"Origin": "http://127.0.0.1:3000"}},
        {"headers": {"Origin": "null"}},
    ],
)
def test_everything_else_is_refused(arrival: dict[str, Any]) -> None:
    for path in ("/healthz", COLLECTIONS, "/"):
        answer = ask(path, **arrival)
        assert "authentication is off" in assert_problem(answer, 403, "forbidden")


def test_the_own_page_and_listed_ones_are_let_in(allowed: str) -> None:
    assert ask("/healthz", headers={"Origin": LOCAL}).status_code == 200
    answer = ask("/healthz", headers={"Origin": allowed})
    assert answer.headers["access-control-allow-origin"] == allowed


def test_with_keys_any_address_will_do(with_keys: None) -> None:
    answer = ask("/healthz", base_url="https://search.example", client="203.0.113.9")
    assert answer.status_code == 200
