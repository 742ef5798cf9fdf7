"""Embeddings that exist already, from a file or a table, into a space.

What a file holds goes into a temporary table by COPY, and from there through the SQL function: of
61,774 vectors of 384 dimensions a seventh of the time that arrays of `put_embeddings` take.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from psycopg.sql import SQL
from sqlalchemy import Connection, select, text

from retrieval import orm
from retrieval.database.copying import copy_in
from retrieval.embedding import Kind, Signature
from retrieval.embedding.spaces import KnownSpaces
from retrieval.errors import InvalidInput, NotFound, SpaceMismatch
from retrieval.spaces.create import space_name
from retrieval.spaces.progress import Progress, silent
from retrieval.spaces.summary import space_row, space_rows
from retrieval.steps import Compute, Query, Steps
from retrieval.vector_files import Columns, VectorFile, open_vector_file
from retrieval.vector_files.packing import Packing

READING = "reading"
STORING = "storing"

# by kind: the table that has the type of its embeddings, and its column
TABLES: dict[Kind, tuple[str, str]] = {
    "dense": ("embeddings", "embedding"),
    "sparse": ("sparse_embeddings", "embedding"),
    "multivector": ("token_embeddings", "embeddings"),
}
# In the server's own words: the type halfvec may be where no search path leads.
CREATE_TABLE = """
    drop table if exists pg_temp.imported_embeddings;
    create temporary table imported_embeddings as
    select d.document_key, c.position, sha256('') as text_hash, e.{column} as embedding
    from retrieval.documents d, retrieval.chunks c, retrieval.{table} e
    with no data"""
ELEMENT_TYPE = """
    select t.typelem from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    where a.attrelid = 'pg_temp.imported_embeddings'::regclass and a.attname = 'embedding'"""
COPIED_TABLE = "pg_temp.imported_embeddings"
COPY = SQL("copy pg_temp.imported_embeddings from stdin (format binary)")
COPIED_TYPES = ("text", "int4", "bytea", "bytea")


@dataclass(frozen=True, slots=True)
class ImportedEmbeddings:
    """What an import did: `imported` embeddings are in the space, others were passed over.

    `unknown_keys` had no chunk (`unknown_examples` names some), those of `stale` ones have another
    text by now, and `nulls` had no embedding. `missing` chunks of the collection lack one still.
    `created` says whether the space is a new one.
    """

    space: str
    created: bool
    imported: int
    unknown_keys: int
    stale: int
    nulls: int
    missing: int
    unknown_examples: Sequence[str]


def import_steps(
    collection: str,
    source: str | PathLike[str] | None,
    known_spaces: KnownSpaces,
    *,
    table: str | None,
    space: str | None,
    columns: Columns,
    trust: bool,
    on_progress: Progress | None,
) -> Steps[ImportedEmbeddings]:
    """Import from a file or a table, in one transaction."""
    if (source is None) == (table is None):
        raise InvalidInput("give a file or a table to import from, and not both")
    if table is not None:
        store: Any = partial(_import_table, table=table, columns=columns, trust=trust)
        imported: ImportedEmbeddings = yield Query(
            partial(store, collection=collection, space=space)
        )
        return imported
    file = yield Compute(partial(open_vector_file, Path(str(source)), columns))
    try:
        store = partial(_import_file, file=file, trust=trust, progress=on_progress or silent)
        imported = yield Query(partial(store, collection=collection, space=space))
    finally:
        file.close()
    known_spaces.forget(collection)
    return imported


def _import_table(
    connection: Connection,
    collection: str,
    space: str | None,
    table: str,
    columns: Columns,
    trust: bool,
) -> ImportedEmbeddings:
    row = space_row(connection, collection, space, "dense")
    if connection.scalar(text("select to_regclass(:name)"), {"name": table}) is None:
        raise NotFound(f"there is no table or view {table}")
    _check_trust(f"table {table}", None, row, trust)
    return _stored(connection, collection, row.name, False, table, columns)


def _import_file(
    connection: Connection,
    collection: str,
    space: str | None,
    file: VectorFile,
    trust: bool,
    progress: Progress,
) -> ImportedEmbeddings:
    row = _existing_space(connection, collection, space, file)
    created = row is None
    if row is None:
        _create_space(connection, collection, space, file)
        name = space or _name_of(file)
        row = space_row(connection, collection, name, file.kind)
    if row.kind != file.kind:
        raise InvalidInput(f"{file.path} holds {file.kind} embeddings, space {row.name} {row.kind}")
    _check_trust(str(file.path), file.origin.signature, row, trust)
    table, column = TABLES[file.kind]
    connection.execute(text(CREATE_TABLE.format(table=table, column=column)))
    packing = Packing(row.name, row.dimensions, connection.scalar(text(ELEMENT_TYPE)) or 0)
    copy_in(connection, COPY, COPIED_TYPES, _batches(file, packing, progress))
    progress(STORING, 0, 1)
    columns = Columns(chunk_position="position", text_hash="text_hash")
    imported = _stored(connection, collection, row.name, created, COPIED_TABLE, columns)
    connection.execute(text(f"drop table {COPIED_TABLE}"))
    progress(STORING, 1, 1)
    return imported


def _batches(
    file: VectorFile, packing: Packing, progress: Progress
) -> Iterator[list[tuple[Any, ...]]]:
    done = 0
    progress(READING, 0, file.count)
    for batch in file.rows(packing):
        yield batch
        done += len(batch)
        progress(READING, done, file.count)


def _stored(
    connection: Connection,
    collection: str,
    space: str,
    created: bool,
    table: str,
    columns: Columns,
) -> ImportedEmbeddings:
    called = orm.import_embeddings(
        collection,
        space,
        table,
        key=columns.key,
        embedding=columns.embedding,
        chunk_position=columns.chunk_position,
        text_hash=columns.text_hash,
    )
    row = connection.execute(select(*called.c)).one()._asdict()
    row["unknown_examples"] = tuple(row["unknown_examples"] or ())
    return ImportedEmbeddings(space=space, created=created, **row)


def _name_of(file: VectorFile) -> str | None:
    """The name of a space that is made for a file, if it knows its model."""
    signature = file.origin.signature
    return space_name(signature.model) if signature else None


def _existing_space(
    connection: Connection, collection: str, space: str | None, file: VectorFile
) -> Any | None:
    """The space to import into; None where a new one is to be created.

    Without a name it is the active one of the kind, else the one that the model gives its name.
    """
    rows = space_rows(connection, collection)
    named = space or _name_of(file)
    for row in rows:
        if space is None and row.state == "active" and row.kind == file.kind:
            return row
    return next((row for row in rows if row.name == named), None)


def _create_space(
    connection: Connection, collection: str, space: str | None, file: VectorFile
) -> None:
    """Create the space that a file's signature describes, without its model."""
    signature = file.origin.signature
    if signature is None:
        which = f"space {space} does not exist" if space else f"no {file.kind} space is active"
        raise NotFound(
            f"{which} in collection {collection}, and {file.path} has no signature to create one "
            "from: name one, or create it with the model that made the embeddings"
        )
    options = {key: file.origin.space.get(key) for key in ("metric", "alignment")}
    called = orm.call(
        "create_space",
        collection=collection,
        space=space or space_name(signature.model),
        model=signature.model,
        dimensions=signature.dimensions,
        kind=signature.kind,
        revision=signature.revision,
        signature=signature.to_json(),
        **options,
    )
    connection.execute(select(called))


def _check_trust(source: str, signature: Signature | None, row: Any, trust: bool) -> None:
    """Raise SpaceMismatch unless the embeddings are of the space's model, for all one can know."""
    if signature is not None and row.signature:
        differing = signature.differences(Signature.from_json(dict(row.signature)))
        if differing:
            raise SpaceMismatch(
                f"{source} was made by another model than space {row.name} has: "
                f"{'; '.join(differing)}; give a space of another name"
            )
    elif not trust:
        without = source if signature is None else f"space {row.name}"
        raise SpaceMismatch(
            f"{without} has no signature, so nobody can know whether space {row.name} and these "
            f"embeddings are of one model, {row.model}; if you do, say trust=True or --trust"
        )
