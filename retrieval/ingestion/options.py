"""What can be chosen about one ingestion."""

from dataclasses import dataclass

from retrieval.chunking import Chunking
from retrieval.ingestion.condition import Condition
from retrieval.ingestion.contexts import ContextWriter


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The options of `Retriever.ingest` and `put_documents`, which explain them."""

    chunking: Chunking | None = None
    detect_language: bool = False
    contexts: ContextWriter | None = None
    prune: bool = False
    dry_run: bool = False
    condition: Condition | None = None
