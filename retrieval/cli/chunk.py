"""`retrieval chunk`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from retrieval.chunking import Chunking, chunk_document
from retrieval.chunking.summary import ChunkSizes, compare_strategies
from retrieval.cli.chunking_options import (
    BreakpointPercentile,
    Chunker,
    ChunkOverlap,
    ChunkTokens,
    chunking_options,
)
from retrieval.cli.options import Json, Model
from retrieval.cli.output import as_dictionaries, errors, print_json, print_table, snippet, table
from retrieval.embedding import create_embedder
from retrieval.loading import load_file
from retrieval.settings import Settings

FIRST_CHARACTERS = 60


def chunk(
    file: Annotated[Path, typer.Argument(help="A file of text or Markdown.")],
    chunker: Chunker = None,
    chunk_tokens: ChunkTokens = None,
    chunk_overlap: ChunkOverlap = None,
    breakpoint_percentile: BreakpointPercentile = None,
    model: Model = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show what every strategy makes of it.")
    ] = False,
    json: Json = False,
) -> None:
    """Show how a file is cut into chunks, without a database."""
    said = chunking_options(chunker, chunk_tokens, chunk_overlap, breakpoint_percentile)
    chunking = said or Chunking()
    document = load_file(file)
    embedder = create_embedder(model or Settings().model)
    if compare:
        sizes = compare_strategies(document, embedder, chunking)
        print_json(as_dictionaries(sizes)) if json else _print_sizes(sizes)
        return
    chunks = chunk_document(document, embedder, chunking)
    shown = [{"tokens": embedder.count_tokens(each.content)} | asdict(each) for each in chunks]
    print_json(shown) if json else _print_chunks(shown)


def _print_chunks(chunks: Sequence[Mapping[str, Any]]) -> None:
    listed = table("position", "start", "end", "tokens", "context", "content")
    for each in chunks:
        numbers = (str(each[name]) for name in ("position", "start", "end", "tokens"))
        beginning = snippet(each["content"], FIRST_CHARACTERS)
        listed.add_row(*numbers, Text(each["context"] or "-"), Text(beginning))
    print_table(listed)


def _print_sizes(sizes: Sequence[ChunkSizes]) -> None:
    listed = table("chunker", "chunks", "tokens p50", "p95", "max", "ends with a sentence")
    for each in sizes:
        if each.failure is not None:
            errors.print(Text(f"{each.strategy}: {each.failure}"), soft_wrap=True)
            continue
        numbers = (each.chunks, each.tokens_p50, each.tokens_p95, each.tokens_max)
        listed.add_row(each.strategy, *map(str, numbers), f"{each.ends_with_sentence:.0%}")
    print_table(listed)
