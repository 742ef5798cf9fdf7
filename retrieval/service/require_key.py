"""Middleware that asks for an API key, before anything of a request is read."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from retrieval.api_keys import ApiKey
from retrieval.errors import RetrievalError
from retrieval.service.authentication import Authentication, unauthenticated
from retrieval.service.problems import answer_error

# the page is the same for everybody; what it shows comes from the API, with a key
_PUBLIC_PATHS = {"/", "/healthz", "/readyz", "/openapi.json", "/docs"}
_PUBLIC_FOLDER = "/page/"


class RequireKey:
    """Verifies the key of each request, counts the request, and leaves the key in its state.

    Every path needs a key but the few above: a new route is closed until it is opened.
    """

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self.app = app
        self.authentication = authentication
        self.rates = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_public(scope):
            try:
                key = await self._verified(scope)
                scope.setdefault("state", {})["api_key"] = key
                self._count(key)
            except (HTTPException, RetrievalError) as error:
                answer = await answer_error(Request(scope), error)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _verified(self, scope: Scope) -> ApiKey:
        client = scope.get("client")
        return await self.authentication.verify(
            scope["app"].state.retriever, _bearer(scope), client[0] if client else ""
        )

    def _count(self, key: ApiKey) -> None:
        if key.requests_per_minute is None:
            return
        limit = RateLimitItemPerMinute(key.requests_per_minute)
        if not self.rates.hit(limit, key.api_key_id):
            free_at = self.rates.get_window_stats(limit, key.api_key_id).reset_time
            wait = max(1, math.ceil(free_at - time.time()))
            detail = f"the API key may make {key.requests_per_minute} requests a minute"
            raise HTTPException(429, detail, {"Retry-After": str(wait)})


def _is_public(scope: Scope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return path in _PUBLIC_PATHS or path.startswith(_PUBLIC_FOLDER)


def _bearer(scope: Scope) -> str:
    given = Headers(scope=scope).getlist("authorization")
    scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise unauthenticated("an API key is needed, in the header Authorization: Bearer …")
    return key.strip()
