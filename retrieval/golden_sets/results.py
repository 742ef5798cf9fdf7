"""What the methods of golden sets return."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GoldenSetSummary:
    """A golden set, and how many queries and judgements it holds now.

    `origin` says who judges: human, synthetic (made from the documents) or clicks.
    """

    name: str
    origin: str
    description: str | None
    version: int
    queries: int
    judgements: int
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class GradedDocument:
    """One judgement; a document is relevant where its grade is above 0."""

    query_key: str
    document_key: str
    grade: int
    judge: str | None
    judged_at: datetime


@dataclass(frozen=True, slots=True)
class ImportedGoldenSet:
    """What an import stored, and the version of the set that holds it.

    `skipped` judgements were of documents that are not in the collection, or of no known query;
    `unjudged` queries were left out for having no judgement; `merged` ones had the text of another.
    """

    version: int
    queries: int
    judgements: int
    skipped: int
    unjudged: int
    merged: int


@dataclass(frozen=True, slots=True)
class ExportedGoldenSet:
    """How much of which version went into a folder."""

    version: int
    queries: int
    judgements: int
