"""How the long operations on spaces say how far they are."""

from collections.abc import Callable

# the name of the phase, how much of it is done, and how much there is
Progress = Callable[[str, int, int], None]

EMBEDDING = "embedding"
BUILDING = "building the index"


def silent(phase: str, done: int, total: int) -> None:
    """Say nothing."""


class EmbeddingProgress:
    """Adds up how many chunks are embedded, of those that were missing when it began."""

    def __init__(self, missing: int, progress: Progress) -> None:
        self._done = 0
        self._missing = missing
        self._progress = progress

    def __call__(self, count: int) -> None:
        """Say that so many more are embedded."""
        self._done += count
        # more may have come since
        self._progress(EMBEDDING, self._done, max(self._missing, self._done))
