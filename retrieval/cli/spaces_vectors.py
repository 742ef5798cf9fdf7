"""`retrieval spaces import` and `export`: embeddings that exist already."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli import space_options as options
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import errors, print_json, say
from retrieval.cli.phases import Phases
from retrieval.embedding.kinds import checked_kind
from retrieval.spaces.import_embeddings import ImportedEmbeddings
from retrieval.spaces.summary import SpaceSummary
from retrieval.vector_files import Columns

DEFAULT = Columns()


def import_embeddings(
    collection: options.Collection,
    file: Annotated[
        Path | None,
        typer.Argument(help="A .parquet, .npz or .npy file.", show_default=False),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="A table or view instead, as schema.table.")
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space", help="Name of the space, made if the file says how; without it the active."
        ),
    ] = None,
    key: Annotated[str, typer.Option(help="Column of document keys.")] = DEFAULT.key,
    embedding: Annotated[str, typer.Option(help="Column of embeddings.")] = DEFAULT.embedding,
    chunk_position: Annotated[
        str | None,
        typer.Option(help="Column of positions, from 0; in a file `position` if it is there."),
    ] = None,
    text_hash: Annotated[
        str | None,
        typer.Option(help="Column of hashes of the texts; in a file `text_hash` if it is there."),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="They are of the space's model, though nothing says so."),
    ] = False,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Store embeddings that exist already in a space; nothing is computed.

    From a file of `retrieval spaces export` or another program, or a table. All of them, or none.
    """
    with open_retriever(database_url, tenant) as retriever:
        with Phases() as show:
            imported = retriever.spaces.import_embeddings(
                collection,
                file,
                table=table,
                space=space,
                key=key,
                embedding=embedding,
                chunk_position=chunk_position,
                text_hash=text_hash,
                trust=trust,
                on_progress=show,
            )
        summaries = {each.name: each for each in retriever.spaces.summaries(collection)}
    if json:
        print_json(asdict(imported))
        return
    made = ", which was created" if imported.created else ""
    say(f"{imported.imported} embeddings imported into space {imported.space}{made}")
    for line in _passed_over(imported):
        errors.print(line, soft_wrap=True, markup=False)
    for line in _next_steps(collection, imported, summaries[imported.space]):
        say(line)


def _passed_over(imported: ImportedEmbeddings) -> Iterator[str]:
    if imported.unknown_keys:
        shown = ", ".join(imported.unknown_examples)
        more = ", …" if imported.unknown_keys > len(imported.unknown_examples) else ""
        yield f"{imported.unknown_keys} passed over, as there is no such chunk: {shown}{more}"
    if imported.stale:
        yield f"{imported.stale} passed over, as their chunks have another text by now"
    if imported.nulls:
        yield f"{imported.nulls} passed over, as their rows have no embedding"


def _next_steps(
    collection: str, imported: ImportedEmbeddings, space: SpaceSummary
) -> Iterator[str]:
    if imported.missing:
        fill = f"retrieval spaces fill {collection} {space.name}"
        yield f"{imported.missing} chunks have no embedding yet; to embed them: {fill}"
    if not space.indexed:
        yield f"to build its index: retrieval spaces build {collection} {space.name}"
    if space.state == "building":
        yield f"to search it: retrieval spaces activate {collection} {space.name}"


def export_embeddings(
    collection: options.Collection,
    file: Annotated[Path, typer.Argument(help="A .parquet or .npz file.", show_default=False)],
    space: options.SpaceOption = None,
    kind: options.Kind = "dense",
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Write the embeddings of a space to a file, with what `retrieval spaces import` needs."""
    with open_retriever(database_url, tenant) as retriever, Phases() as show:
        count = retriever.spaces.export_embeddings(
            collection, file, space=space, kind=checked_kind(kind), on_progress=show
        )
    if json:
        print_json({"file": str(file), "embeddings": count})
    else:
        say(f"{count} embeddings written to {file}")
