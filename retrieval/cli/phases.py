"""Bars on the error stream for work in phases, index builds included."""

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from rich.progress import TaskID

from retrieval.cli.output import progress_bar
from retrieval.errors import RetrievalError
from retrieval.spaces.progress import BUILDING
from retrieval.spaces.steps import IndexProgress

POLL_SECONDS = 0.5


class Phases:
    """A bar for each phase, from its first sign of life on; called as `on_progress`.

    While an index is built the server is asked how far it is, on a connection of its own.
    """

    def __init__(self, index_progress: Callable[[], IndexProgress | None] | None = None) -> None:
        self._index_progress = index_progress
        self._bar = progress_bar()
        self._tasks: dict[str, TaskID] = {}
        self._over = Event()
        self._watcher: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_watching()
        if self._tasks:
            self._bar.stop()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show how far a phase is."""
        if phase == BUILDING:
            self._stop_watching()
        self._show(phase, phase, done, total)
        if phase == BUILDING and done < total and self._index_progress:
            self._over.clear()
            self._watcher = Thread(target=self._watch, args=(self._index_progress,), daemon=True)
            self._watcher.start()

    def _show(self, phase: str, description: str, done: int, total: int | None) -> None:
        if not self._tasks:
            self._bar.start()
        if phase not in self._tasks:
            self._tasks[phase] = self._bar.add_task(description, total=total)
        self._bar.update(self._tasks[phase], description=description, completed=done, total=total)

    def _watch(self, index_progress: Callable[[], IndexProgress | None]) -> None:
        while not self._over.wait(POLL_SECONDS):
            try:
                progress = index_progress()
            except RetrievalError:
                return  # what is wrong the build itself will say
            if progress is not None and not self._over.is_set():
                self._show(BUILDING, progress.phase, progress.done, progress.total or None)

    def _stop_watching(self) -> None:
        self._over.set()
        if self._watcher:
            self._watcher.join()
            self._watcher = None
