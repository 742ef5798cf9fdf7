"""From files and documents to stored, embedded chunks."""

from retrieval.ingestion.contexts import ContextWriter
from retrieval.ingestion.options import IngestOptions
from retrieval.ingestion.report import Change, Failure, IngestReport, Outcome
from retrieval.ingestion.run import IngestRun, Progress
from retrieval.ingestion.sources import Source

__all__ = [
    "Change",
    "ContextWriter",
    "Failure",
    "IngestOptions",
    "IngestReport",
    "IngestRun",
    "Outcome",
    "Progress",
    "Source",
]
