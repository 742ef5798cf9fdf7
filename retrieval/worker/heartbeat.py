"""A sign of life while a batch takes long."""

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self


class Heartbeat:
    """Calls a function every so many seconds, in a thread, until the block ends."""

    def __init__(self, beat: Callable[[], object], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._done = Event()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def _run(self) -> None:
        while not self._done.wait(self._seconds):
            with suppress(
                Exception
            ):  # the batch itself meets what is wrong, or the next beat helps
                self._beat()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
