"""What an ingestion did."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["added", "updated", "unchanged", "failed"]


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document; `chunks` were written, `reason` says why it failed."""

    document_key: str
    status: Status
    chunks: int = 0
    reason: str | None = None


@dataclass(slots=True)
class IngestReport:
    """Counts of documents; `chunks` were written, `skipped` are files of other kinds in folders.

    `changes` are only listed by a dry run, whose counts are of what would have been done, and the
    `outcomes` of documents that did not fail, by key, only where they are asked for.
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
    outcomes: dict[str, Outcome] | None = None

    def keep(self, document_key: str) -> None:
        """Count a document that is stored already as it was given."""
        self.unchanged += 1
        self._note(Outcome(document_key, "unchanged"))

    def store(self, document_key: str, chunks: int, *, is_new: bool) -> None:
        """Count a document that was stored, or in a dry run would have been."""
        self.chunks += chunks
        if is_new:
            self.added += 1
        else:
            self.updated += 1
        self._note(Outcome(document_key, "added" if is_new else "updated", chunks))

    def _note(self, outcome: Outcome) -> None:
        if self.outcomes is not None:
            self.outcomes[outcome.document_key] = outcome

    def fail(self, source: str, reason: str) -> None:
        """Note what was not stored."""
        self.failures.append(Failure(source, reason))

    @property
    def done(self) -> int:
        """How many documents have been dealt with."""
        return self.added + self.updated + self.unchanged + len(self.failures)

    def as_json(self) -> dict[str, Any]:
        """The report as a dictionary that `json.dumps` takes."""
        report = asdict(self)
        del report["outcomes"]
        return report
