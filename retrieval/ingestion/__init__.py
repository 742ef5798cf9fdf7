"""From files and documents to stored, embedded chunks."""

from retrieval.ingestion.contexts import ContextWriter
from retrieval.ingestion.report import Failure, IngestReport
from retrieval.ingestion.run import IngestRun, Progress, Source

__all__ = ["ContextWriter", "Failure", "IngestReport", "IngestRun", "Progress", "Source"]
