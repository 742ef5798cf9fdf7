"""The embeddings of a space into a file, with the signature that lets them come back."""

from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import Connection

from retrieval.database.copying import Row, copy_out
from retrieval.embedding import Signature
from retrieval.errors import InvalidInput
from retrieval.spaces.progress import Progress, silent
from retrieval.spaces.summary import space_row
from retrieval.steps import Compute, Query, Steps
from retrieval.vector_files import Origin, VectorFileWriter, create_vector_file

WRITING = "writing"

FUNCTIONS = {
    "dense": "export_embeddings",
    "sparse": "export_sparse_embeddings",
    "multivector": "export_token_embeddings",
}
COPY = SQL("copy (select * from retrieval.{}({}, {})) to stdout (format binary)")
COPIED_TYPES = ("text", "int4", "bytea", "bytea")
BATCH_ROWS = 2_000


def export_steps(
    collection: str,
    path: str | PathLike[str],
    *,
    space: str | None,
    kind: str,
    on_progress: Progress | None,
) -> Steps[int]:
    """Write a space's embeddings as they are at one moment; returns how many there are."""
    row = yield Query(partial(space_row, collection=collection, space=space, kind=kind))
    create = partial(create_vector_file, Path(path), row.kind, row.dimensions, _origin(row))
    try:
        writer = yield Compute(create)
        try:
            export = partial(_export, writer=writer, progress=on_progress or silent)
            count: int = yield Query(partial(export, collection=collection, row=row))
            yield Compute(writer.finish)
        finally:
            writer.discard()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written ({error.strerror or error})") from error
    return count


def _origin(row: Any) -> Origin:
    if not row.signature:
        return Origin()
    space = {"metric": row.metric, "alignment": row.alignment}
    known = {key: value for key, value in space.items() if value is not None}
    return Origin(Signature.from_json(dict(row.signature)), known)


def _export(
    connection: Connection, collection: str, row: Any, writer: VectorFileWriter, progress: Progress
) -> int:
    count = 0

    def consume(rows: list[Row]) -> None:
        nonlocal count
        writer.write(rows)
        count += len(rows)
        progress(WRITING, count, max(count, row.embeddings))

    progress(WRITING, 0, row.embeddings)
    statement = COPY.format(Identifier(FUNCTIONS[row.kind]), Literal(collection), Literal(row.name))
    copy_out(connection, statement, COPIED_TYPES, consume, BATCH_ROWS)
    return count
