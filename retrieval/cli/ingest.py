"""`retrieval ingest`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from retrieval.cli.chunking_options import (
    BreakpointPercentile,
    Chunker,
    ChunkOverlap,
    ChunkTokens,
    chunking_options,
)
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Model, Tenant
from retrieval.cli.output import print_json, print_report, progress_bar
from retrieval.cli.space_options import modality_of
from retrieval.embedding import create_embedder
from retrieval.ingestion import IngestReport, Source
from retrieval.search import Retriever

Collection = Annotated[str, typer.Argument(help="Created if it does not exist.")]
Paths = Annotated[list[Path], typer.Argument(help="Files and folders of texts and images.")]

DETECT_LANGUAGE = "Index each document by its own language, where its text leaves no doubt."


def ingest(
    collection: Collection,
    paths: Paths,
    database_url: DatabaseUrl = None,
    model: Model = None,
    modality: Annotated[
        str | None,
        typer.Option(help="Of a new collection: text, or image for one of images alone."),
    ] = None,
    text_config: Annotated[
        str, typer.Option(help="Text-search configuration of a new collection.")
    ] = "english",
    detect_language: Annotated[
        bool, typer.Option("--detect-language", help=DETECT_LANGUAGE)
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove documents that came from here and have vanished."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
    ] = False,
    chunker: Chunker = None,
    chunk_tokens: ChunkTokens = None,
    chunk_overlap: ChunkOverlap = None,
    breakpoint_percentile: BreakpointPercentile = None,
    contextualise: Annotated[
        bool,
        typer.Option(
            "--contextualise",
            help="Let a language model write where each chunk stands in its document.",
        ),
    ] = False,
    chat_model: Annotated[
        str | None,
        typer.Option(
            envvar="RETRIEVAL_CHAT_MODEL",
            help="That language model, by the name that its server has for it.",
            show_default=False,
        ),
    ] = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Store files and folders; what has not changed is skipped, what has is replaced.

    How documents are cut is kept with a new collection. With an old one (see set-chunking) it is
    for this time.

    Text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, EPUB and source code are one document a file, CSV
    and JSON lines one a row. A folder gives its files of these kinds.
    """
    chunking = chunking_options(chunker, chunk_tokens, chunk_overlap, breakpoint_percentile)
    with (
        open_retriever(database_url, tenant) as retriever,
        _undone(retriever, dry_run) as connection,
    ):
        if collection not in {each.name for each in retriever.collections(connection=connection)}:
            embedder = create_embedder(model) if model else None
            retriever.create_collection(
                collection,
                embedder=embedder,
                text_config=text_config,
                modality=modality_of(modality),
                chunking=chunking,
                connection=connection,
            )
        report = ingest_with_progress(
            retriever,
            collection,
            paths,
            chunking=chunking,
            detect_language=detect_language,
            prune=prune,
            dry_run=dry_run,
            contextualise=contextualise,
            chat=chat_model,
            connection=connection,
        )
    if json:
        print_json(report.as_json())
    else:
        print_report(report, dry_run=dry_run)
    if report.failures:
        raise typer.Exit(1)


@contextmanager
def _undone(retriever: Retriever, dry_run: bool) -> Iterator[Connection | None]:
    """A connection of which nothing stays for a dry run, none otherwise."""
    if not dry_run:
        yield None
        return
    with retriever.engine.connect() as connection:
        yield connection


def ingest_with_progress(
    retriever: Retriever, collection: str, sources: Sequence[Source], **options: Any
) -> IngestReport:
    """Ingest while a bar on the error stream shows how far it is."""
    with progress_bar() as bar:
        task = bar.add_task(f"ingesting into {collection}", total=None)
        return retriever.ingest(
            collection,
            sources,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            **options,
        )
