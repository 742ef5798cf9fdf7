"""What makes the vectors of two embedders comparable."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from retrieval.errors import InvalidInput

SHOWN_DIGITS = 8
HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Signature:
    """Everything that decides which vector a text gets.

    `revision` is the hub's commit where it is known. `weights_sha256` is taken over the weight
    files and is None for a model that is not on this machine. `max_tokens` is what content may
    use, without special tokens and prompt. `prompts` holds what is put before a "query" and a
    "document".
    """

    model: str
    revision: str | None
    weights_sha256: str | None
    dimensions: int
    max_tokens: int
    pooling: str
    prompts: Mapping[str, str] = field(default_factory=dict)
    normalised: bool = True
    kind: Literal["dense"] = "dense"

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary that `json.dumps` takes and `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; a missing or unknown name raises InvalidInput."""
        names = {each.name for each in fields(cls)}
        if data.keys() != names:
            wrong = ", ".join(sorted(data.keys() ^ names))
            raise InvalidInput(f"a signature has missing or unknown entries: {wrong}")
        return cls(**data)

    def matches(self, other: "Signature") -> bool:
        """Whether vectors of both may be compared with each other."""
        return not self.differences(other)

    def differences(self, other: "Signature") -> list[str]:
        """Return one line for each thing that makes the vectors incomparable, ours first.

        Where both know the hash of their weights it decides: the same weights loaded from
        another path, or under another name, are the same model.
        """
        return [
            f"{name}: {_shown(ours)} ≠ {_shown(theirs)}"
            for name in self._compared(other)
            if (ours := getattr(self, name)) != (theirs := getattr(other, name))
        ]

    def _compared(self, other: "Signature") -> Iterator[str]:
        by_weights = self.weights_sha256 is not None and other.weights_sha256 is not None
        ignored = {"model", "revision"} if by_weights else {"weights_sha256"}
        return (each.name for each in fields(self) if each.name not in ignored)


def _shown(value: object) -> str:
    """Shorten a hash and leave everything else as it is."""
    if isinstance(value, str) and len(value) > 2 * SHOWN_DIGITS and set(value) <= HEXADECIMAL:
        return f"{value[:SHOWN_DIGITS]}…"
    return "unknown" if value is None else str(value)
