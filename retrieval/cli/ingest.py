"""`retrieval ingest`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

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
    json: Json = False,
) -> None:
    """Store files and folders; what has not changed is skipped, what has is replaced."""
    with Retriever.open(database_url) as retriever:
        if collection not in {each.name for each in retriever.collections()}:
            embedder = create_embedder(model) if model else None
            retriever.create_collection(collection, embedder=embedder, text_config=text_config)
        report = ingest_with_progress(
            retriever, collection, paths, contextualise=contextualise, chat=chat_model
        )
    if json:
        print_json(report.as_json())
    else:
        print_report(report)
    if report.failures:
        raise typer.Exit(1)


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
