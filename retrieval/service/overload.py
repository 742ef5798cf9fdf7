"""Takes on no more than can be done: the rest waits a little, or is told at once to come again."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Self

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.errors import Overloaded
from retrieval.service.metrics import Metrics
from retrieval.service.problems import OVERLOADED, problem_response
from retrieval.settings import Settings

# A body is read before its request has its turn, so that a slow client keeps nobody waiting; what
# is larger is read in its turn.
MOST_BYTES_AHEAD = 1024 * 1024
# in what a search may take
LOADS_PATIENCE = 15

_LOAD = re.compile(r"/v1/collections/[^/]+/(documents|files)(/|$)")


class Gate:
    """Lets in so many at once; a few more wait for their turn, in order, and not for long."""

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        self._free = at_once
        self._most_waiting = waiting
        self._seconds = seconds
        self._turns: deque[asyncio.Future[None]] = deque()

    @property
    def is_open(self) -> bool:
        """Whether there is room."""
        return self._free > 0

    async def enter(self) -> bool:
        """Take a place, true; Overloaded where that takes too long or too many wait."""
        if self.is_open:
            self._free -= 1
            return True
        if len(self._turns) >= self._most_waiting:
            raise Overloaded("too many requests wait already; try again later")
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave()  # its turn came in the same moment
            elif turn in self._turns:  # or else `leave` has passed over it
                self._turns.remove(turn)
            if isinstance(error, TimeoutError):
                raise Overloaded("the service is busy; try again later") from None
            raise
        return True

    def leave(self) -> None:
        """Make room for the next one."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Overload:
    """Middleware that answers 503 where more is asked for than can be done.

    What loads documents has a gate of its own, so that searches find their way beside it. Paths
    outside of /v1, such as those of health checks, have none.
    """

    def __init__(
        self,
        app: ASGIApp,
        searches: Gate,
        loads: Gate,
        on_shed: Callable[[str], object] = lambda reason: None,
    ) -> None:
        self.app = app
        self._on_shed = on_shed
        self._searches = searches
        self._loads = loads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        if scope["method"] != "GET" and _LOAD.match(scope["path"]):
            gate, entered = self._loads, self._loads.enter()
        else:
            receive = ahead = await _Ahead.of(receive)
            gate, entered = self._searches, _entered(self._searches, ahead)
        try:
            if not await entered:
                return
        except Overloaded as error:
            self._on_shed("loads" if gate is self._loads else "searches")
            refusal = problem_response(OVERLOADED, str(error), scope)
            await refusal(scope, receive, send)
        else:
            with _Place(gate) as place:
                await self.app(scope, receive, place.leaving(send))


async def _entered(gate: Gate, ahead: "_Ahead") -> bool:
    """Wait for the gate; false where the client goes away: nobody would take the answer."""
    if gate.is_open or not ahead.is_whole:
        return await gate.enter()
    turn, gone = asyncio.ensure_future(gate.enter()), asyncio.ensure_future(ahead.rest())
    try:
        await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
        return turn.done() and turn.result()
    except asyncio.CancelledError:
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            gate.leave()
        raise
    finally:
        gone.cancel()
        turn.cancel()


class _Place:
    """A place behind a gate, which is left once."""

    def __init__(self, gate: Gate) -> None:
        self._gate: Gate | None = gate

    def leave(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave()

    def leaving(self, send: Send) -> Send:
        """`send`, which leaves with the end of the answer, however slowly the client takes it."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.leave()
            await send(message)

        return sending

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()


class _Ahead:
    """What was received of a request ahead of its turn, and then the rest."""

    def __init__(self, receive: Receive, messages: list[Message]) -> None:
        self.rest = receive
        self.is_whole = not messages[-1].get("more_body")
        self._messages = deque(messages)

    @classmethod
    async def of(cls, receive: Receive) -> Self:
        """Read the body, or as much of it as may be kept."""
        messages: list[Message] = []
        size = 0
        while size <= MOST_BYTES_AHEAD:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        return cls(receive, messages)

    async def __call__(self) -> Message:
        return self._messages.popleft() if self._messages else await self.rest()


def limit_load(app: FastAPI) -> None:
    """Let the application take on what the settings say."""
    settings = Settings()
    metrics: Metrics = app.state.operations.metrics
    at_once = settings.maximum_requests or 2 * settings.pool_size
    loads = settings.maximum_loads or max(1, settings.pool_size // 4)
    waiting, seconds = settings.maximum_waiting, settings.maximum_wait_seconds
    app.add_middleware(
        Overload,
        searches=Gate(at_once, waiting, seconds),
        loads=Gate(loads, waiting, seconds * LOADS_PATIENCE),
        on_shed=lambda reason: metrics.requests_shed.labels(reason).inc(),
    )
