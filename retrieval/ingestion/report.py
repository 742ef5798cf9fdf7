"""What an ingestion did."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that was not stored, and why, in one line."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a dry run would have done with a document: add, update or prune."""

    document_key: str
    action: str


@dataclass(slots=True)
class IngestReport:
    """Counts of documents; `chunks` were written, `skipped` are files of other kinds in folders.

    `changes` are only listed by a dry run, whose counts are of what would have been done.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    pruned: int = 0
    skipped: int = 0
    chunks: int = 0
    changes: list[Change] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def fail(self, source: str, reason: str) -> None:
        """Note what was not stored."""
        self.failures.append(Failure(source, reason))

    @property
    def done(self) -> int:
        """How many documents have been dealt with."""
        return self.added + self.updated + self.unchanged + len(self.failures)

    def as_json(self) -> dict[str, Any]:
        """The report as a dictionary that `json.dumps` takes."""
        return asdict(self)
