"""What can be chosen about one ingestion."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The options of `Retriever.ingest`, which explains them."""

    detect_language: bool = False
    prune: bool = False
    dry_run: bool = False
