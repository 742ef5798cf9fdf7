"""`retrieval ingest`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from retrieval.chunking import Chunking
from retrieval.cli.chunking_options import (
    BreakpointPercentile,
    Chunker,
    ChunkOverlap,
    ChunkTokens,
    chunking_options,
)
from retrieval.cli.options import DatabaseUrl, Json, Model
from retrieval.cli.output import print_json, print_report, progress_bar
from retrieval.embedding import create_embedder
from retrieval.ingestion import IngestReport, Source
from retrieval.search import Retriever

Collection = Annotated[str, typer.Argument(help="Created if it does not exist.")]
Paths = Annotated[list[Path], typer.Argument(help="Files and folders of text and Markdown.")]


def ingest(
    collection: Collection,
    paths: Paths,
    database_url: DatabaseUrl = None,
    model: Model = None,
    text_config: Annotated[
        str, typer.Option(help="Text-search configuration of a new collection.")
    ] = "english",
    chunker: Chunker = None,
    chunk_tokens: ChunkTokens = None,
    chunk_overlap: ChunkOverlap = None,
    breakpoint_percentile: BreakpointPercentile = None,
    json: Json = False,
) -> None:
    """Store files and folders; what has not changed is skipped, what has is replaced.

    How documents are cut is kept with a new collection. With an old one (see set-chunking) it is
    for this time.
    """
    chunking = chunking_options(chunker, chunk_tokens, chunk_overlap, breakpoint_percentile)
    with Retriever.open(database_url) as retriever:
        if collection not in {each.name for each in retriever.collections()}:
            embedder = create_embedder(model) if model else None
            retriever.create_collection(
                collection, embedder=embedder, text_config=text_config, chunking=chunking
            )
        report = ingest_with_progress(retriever, collection, paths, chunking)
    if json:
        print_json(report.as_json())
    else:
        print_report(report)
    if report.failures:
        raise typer.Exit(1)


def ingest_with_progress(
    retriever: Retriever,
    collection: str,
    sources: Sequence[Source],
    chunking: Chunking | None = None,
) -> IngestReport:
    """Ingest while a bar on the error stream shows how far it is."""
    with progress_bar() as bar:
        task = bar.add_task(f"ingesting into {collection}", total=None)
        return retriever.ingest(
            collection,
            sources,
            chunking=chunking,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
