"""How the long operations on spaces say how far they are."""

from collections.abc import Callable

# the name of the phase, how much of it is done, and how much there is
Progress = Callable[[str, int, int], None]
