"""`retrieval set-chunking`."""

from retrieval.cli.chunking_options import (
    BreakpointPercentile,
    Chunker,
    ChunkOverlap,
    ChunkTokens,
    chunking_options,
)
from retrieval.cli.options import DatabaseUrl
from retrieval.cli.output import say
from retrieval.search import Retriever


def set_chunking(
    collection: str,
    database_url: DatabaseUrl = None,
    chunker: Chunker = None,
    chunk_tokens: ChunkTokens = None,
    chunk_overlap: ChunkOverlap = None,
    breakpoint_percentile: BreakpointPercentile = None,
) -> None:
    """Set how a collection's documents are cut when they are next ingested; alone: as usual."""
    chunking = chunking_options(chunker, chunk_tokens, chunk_overlap, breakpoint_percentile)
    with Retriever.open(database_url) as retriever:
        retriever.set_chunking(collection, chunking)
    say(f"{collection}: documents are cut anew when they are next ingested")
