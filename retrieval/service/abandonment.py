"""Stops work for a client that has gone, so that the database does none for nobody."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

READS_ONLY = "reads_only"  # what a request says of itself in its state


class Abandonment:
    """Middleware that cancels a request which only reads when its client disconnects.

    The query under way is cancelled in the database, and its connection returns to the pool. What
    writes comes to its end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        watched = _Watched(scope, receive, send)
        try:
            await self.app(scope, watched.receive, watched.send)
        except asyncio.CancelledError:
            if not watched.is_abandoned:
                raise
            watched.task.uncancel()
        finally:
            watched.close()


class _Watched:
    """A request whose client is listened to once its body is complete."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.is_abandoned = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_answered = False
        self._listening: asyncio.Task[Message] | None = None

    async def receive(self) -> Message:
        if self._listening is not None:
            return await asyncio.shield(self._listening)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._listening = asyncio.create_task(self._listen())
        return message

    async def _listen(self) -> Message:
        message = await self._receive()
        reads_only = self._scope.get("state", {}).get(READS_ONLY, False)
        if message["type"] == "http.disconnect" and reads_only and not self._is_answered:
            self.is_abandoned = True
            self.task.cancel()
        return message

    async def send(self, message: Message) -> None:
        # from the last part on a server says that the client has gone, whether it has or not
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._is_answered = True
        await self._send(message)

    def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
