"""How long to leave alone what does not work."""

import random
import time
from dataclasses import dataclass

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0


@dataclass(slots=True)
class Backoff:
    """Waits twice as long after each failure in a row, by chance up to half less."""

    failures: int = 0
    until: float = 0.0

    def fail(self) -> float:
        """Count a failure; returns the seconds to wait."""
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * float(2 ** min(self.failures, 20)))
        seconds = longest * random.uniform(0.5, 1.0)  # not all workers at once
        self.failures += 1
        self.until = time.monotonic() + seconds
        return seconds

    @property
    def left(self) -> float:
        """How many seconds are left to wait."""
        return max(0.0, self.until - time.monotonic())
