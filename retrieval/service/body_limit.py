"""Refuses a body that is too large, before it is in memory.

Of JSON lines each is limited, not their number: the one route that takes them sees to it, and every
other one refuses them unread.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.service.problems import problem_response, status_kind
from retrieval.service.strict_route import NDJSON_MEDIA_TYPE


class BodyLimit:
    """Middleware that answers 413 by the length announced, or as soon as more has arrived."""

    def __init__(self, app: ASGIApp, maximum_bytes: int) -> None:
        self.app = app
        self.maximum_bytes = maximum_bytes
        self.detail = f"the body is larger than {maximum_bytes} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_lines(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and _announced_bytes(scope) > self.maximum_bytes:
            # the server reads and drops the rest: closing at once could lose the answer
            refusal = problem_response(status_kind(413), self.detail, scope)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.maximum_bytes:
                raise HTTPException(413, self.detail)
            return message

        return counted


def _is_lines(scope: Scope) -> bool:
    kind = Headers(scope=scope).get("content-type", "") if scope["type"] == "http" else ""
    return kind.partition(";")[0].strip().lower() == NDJSON_MEDIA_TYPE


def _announced_bytes(scope: Scope) -> int:
    announced = Headers(scope=scope).get("content-length", "")
    return int(announced) if announced.isdecimal() else 0
