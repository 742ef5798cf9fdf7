"""How documents are cut: what a collection or a call chooses."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

from retrieval.errors import InvalidInput

Strategy = Literal[
    "auto", "fixed", "recursive", "sentence", "semantic", "markdown", "code", "whole"
]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Chunking:
    """A strategy, and sizes in the tokens of the embedding model.

    `maximum_tokens` is that of content; without it, and never more than, what the model reads
    beside title and context. The strategy semantic breaks where the distance between neighbouring
    sentences is above `breakpoint_percentile` of the document's: at 90, at a tenth of the places.
    """

    strategy: Strategy = "auto"
    maximum_tokens: int | None = None
    overlap_tokens: int = 0
    breakpoint_percentile: float = 90

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise InvalidInput(f"strategy must be one of {known}, not {self.strategy!r}")
        if self.maximum_tokens is not None:
            _check_count("maximum_tokens", self.maximum_tokens, 1)
        _check_count("overlap_tokens", self.overlap_tokens, 0)
        if self.maximum_tokens is not None and self.overlap_tokens >= self.maximum_tokens:
            raise InvalidInput(
                f"overlap_tokens must be less than maximum_tokens, {self.maximum_tokens}, "
                f"not {self.overlap_tokens}"
            )
        percentile = self.breakpoint_percentile
        if isinstance(percentile, bool) or not isinstance(percentile, int | float):
            raise InvalidInput(f"breakpoint_percentile must be a number, not {percentile!r}")
        if not 0 < percentile < 100:
            raise InvalidInput(
                f"breakpoint_percentile must lie between 0 and 100, not {percentile:g}"
            )

    def as_json(self) -> dict[str, Any]:
        """The strategy and what differs from the defaults."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        defaults = {each.name: each.default for each in fields(self) if each.name != "strategy"}
        return {name: each for name, each in values.items() if each != defaults.get(name)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_json` or a user wrote."""
        known = [each.name for each in fields(cls)]
        for name in stored.keys() - set(known):
            raise InvalidInput(f"chunking has no {name!r}, only {', '.join(known)}")
        return cls(**stored)


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= MOST_TOKENS:
        raise InvalidInput(f"{name} must be between {least} and {MOST_TOKENS}, not {value}")
