"""What makes the vectors of two embedders comparable."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from retrieval.embedding.kinds import Kind
from retrieval.errors import InvalidInput

SHOWN_DIGITS = 8
HEXADECIMAL = frozenset("0123456789abcdef")

# Compared only where both sides know them.
HASHES = frozenset({"weights_sha256", "tokenizer_sha256"})


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Everything that decides which vector a text gets.

    `revision` is the hub's commit where it is known. `weights_sha256` is taken over the weight
    files and `tokenizer_sha256` over what cuts a text into tokens; each is None for a model that
    is not on this machine. `max_tokens` is what content may use, without special tokens and
    prompt, and `truncation_side` the end at which a longer text is cut. `prompts` holds what is
    put before a "query" and a "document". `similarity` is the score that the model was trained
    for. `options` are settings that only models of one kind have.

    `library` names what ran the model, with its major version. It is there for whoever looks for
    the cause of a change and is never compared: the same weights give the same vectors, apart
    from rounding, and an upgrade must not ask for every document to be embedded again.
    """

    kind: Kind = "dense"
    model: str
    revision: str | None
    weights_sha256: str | None
    tokenizer_sha256: str | None = None
    dimensions: int
    max_tokens: int
    truncation_side: str | None = None
    pooling: str
    prompts: Mapping[str, str] = field(default_factory=dict)
    normalised: bool = True
    similarity: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    library: str | None = None

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
            f"{name}: {_shown(ours, theirs)} ≠ {_shown(theirs, ours)}"
            for name in self._compared(other)
            if (ours := getattr(self, name)) != (theirs := getattr(other, name))
        ]

    def _compared(self, other: "Signature") -> Iterator[str]:
        sides = (self, other)
        unknown = {name for name in HASHES if None in [getattr(side, name) for side in sides]}
        named = set() if "weights_sha256" in unknown else {"model", "revision"}
        ignored = unknown | named | {"library"}
        return (each.name for each in fields(self) if each.name not in ignored)


def _shown(value: object, other: object) -> str:
    """Shorten a hash, and leave out of a mapping what the other has as well."""
    if isinstance(value, str) and len(value) > 2 * SHOWN_DIGITS and set(value) <= HEXADECIMAL:
        return f"{value[:SHOWN_DIGITS]}…"
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return str({key: each for key, each in value.items() if other.get(key, ...) != each})
    return "unknown" if value is None else str(value)
