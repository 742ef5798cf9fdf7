"""Without authentication: only for programs of this machine, and for no web page but the own one.

A browser on this machine is a program of this machine, whatever page it shows. Such a page could
post a form to the service, or, by a name of its own that leads to 127.0.0.1, call it freely. Hence
the checks of the headers Host and Origin beside those of the addresses.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from retrieval.service.problems import problem_response, status_kind


def is_loopback(host: str) -> bool:
    """Whether an address, or localhost, is one that no other machine can reach."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class LoopbackOnly:
    """Middleware that answers 403 to what does not come from this machine."""

    def __init__(self, app: ASGIApp, allowed_origins: Sequence[str]) -> None:
        self.app = app
        self.allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._refusal(scope) if scope["type"] == "http" else None
        if reason is None:
            await self.app(scope, receive, send)
            return
        detail = f"{reason}, and authentication is off; see RETRIEVAL_AUTHENTICATION"
        answer = problem_response(status_kind(403), detail, scope)
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        for side in ("server", "client"):
            # a Unix socket has no address, and a proxy may be behind it
            if not is_loopback(str((scope.get(side) or ("",))[0])):
                return "the request did not come by the loopback address"
        if not is_loopback(_host_name(headers.get("host", ""))):
            return "the request's Host is not that of this machine"
        origin = headers.get("origin")
        own = f"{scope['scheme']}://{headers['host']}"
        if origin is not None and origin.lower() not in {own.lower(), *self.allowed_origins}:
            return "the request comes from a web page of another origin"
        return None


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
