"""How a worker is stopped: by SIGTERM or SIGINT, in the middle of the model's work if need be."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Stopped(KeyboardInterrupt):
    """The process was asked to stop. An interruption: psycopg cancels the query under way."""


class StopSignals:
    """Raises Stopped where the main thread is when a signal comes, unless that is held back.

    Until it is entered, no signal means anything to it.
    """

    def __init__(self) -> None:
        self.requested = False
        self._holds = 0
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._former[number] = signal.signal(number, self._stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self.check()

    def check(self) -> None:
        """Raise what was held back."""
        if self.requested and not self._holds:
            raise Stopped

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a short piece of work, such as a transaction, come to its end first."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        self.check()

    def ignore(self) -> None:
        """Let nothing disturb the end."""
        self._holds += 1
