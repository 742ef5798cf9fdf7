"""The server of `retrieval serve`: takes its leave before it goes."""

import asyncio
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from retrieval.settings import Settings


class Server(uvicorn.Server):
    """On a signal it says at /readyz that it will not be there, and for a while serves as before.

    Then nobody can connect any more, and requests under way have their time to end. A second signal
    ends the while.
    """

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        settings = Settings()
        self._app = app
        self._drain_seconds = settings.drain_seconds
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self._drain_seconds = 0
        self._app.state.operations.is_draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() < began + self._drain_seconds and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def run_server(app: FastAPI, host: str, port: int) -> None:
    """Serve until a signal comes, and return."""
    # uvicorn raises the signal once more when it is done, for whoever was there before
    signals = (signal.SIGTERM, signal.SIGINT)
    before = {each: signal.signal(each, lambda number, frame: None) for each in signals}
    try:
        Server(app, host, port).run()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
