"""What every answer tells a browser: to take it for what it is, and to keep to this origin."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_CLOSED = "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_POLICY = f"default-src 'self'; img-src 'self' data: blob:; {_CLOSED}"
# FastAPI's page loads Swagger UI from a content delivery network, and starts it inline
_DOCS = "/docs"
_DOCS_POLICY = (
    "default-src 'self'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    f"img-src data: https://fastapi.tiangolo.com; {_CLOSED}"
)


class SecurityHeaders:
    """Middleware around all others; a header that an answer has already stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                policy = _DOCS_POLICY if path == _DOCS else _POLICY
                headers.setdefault("Content-Security-Policy", policy)
                if path.startswith("/v1/"):
                    # with a tag a browser may keep it, if it asks each time whether it still holds
                    kept = "private, no-cache" if "etag" in headers else "no-store"
                    headers.setdefault("Cache-Control", kept)
            await send(message)

        await self.app(scope, receive, send_with_headers)
