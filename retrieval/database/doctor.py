"""Looks for what is wrong with a database, and says what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, select, text

from retrieval import orm
from retrieval.database.schema import check_schema, head_revision
from retrieval.errors import SchemaMismatch


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` says what to do unless all is well."""

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str
    advice: str = ""


def diagnose(connection: Connection) -> Iterator[Finding]:
    """Look at the server, the schema and every collection. Reads every chunk."""
    yield from _server(connection)
    try:
        check_schema(connection)
    except SchemaMismatch as error:
        yield Finding("error", "schema", str(error))
        return
    yield Finding("ok", "schema", f"revision {head_revision()}")
    for collection in connection.execute(select(orm.Collection.__table__)).all():
        yield from _collection(connection, collection.collection_id, collection.name)


def _server(connection: Connection) -> Iterator[Finding]:
    row = connection.execute(
        text(
            "select current_setting('server_version_num')::integer / 10000 as version, datctype, "
            "(select extversion from pg_extension where extname = 'vector') as pgvector "
            "from pg_database where datname = current_database()"
        )
    ).one()
    supported = row.version >= 15
    yield Finding(
        "ok" if supported else "error",
        "server",
        f"PostgreSQL {row.version}",
        "" if supported else "15 or newer is needed",
    )
    if row.pgvector is None:
        yield Finding("error", "pgvector", "not installed", "run: retrieval init")
    elif tuple(int(part) for part in row.pgvector.split(".")[:2]) < (0, 8):
        yield Finding("error", "pgvector", row.pgvector, "0.8 or newer is needed")
    else:
        yield Finding("ok", "pgvector", row.pgvector)
    if row.datctype in ("C", "POSIX"):
        yield Finding(
            "warning",
            "character type",
            f"the database has the character type {row.datctype}",
            "letters beyond ASCII are not folded to lower case; create it with C.UTF-8",
        )


def _collection(connection: Connection, collection_id: int, name: str) -> Iterator[Finding]:
    subject = f"collection {name}"
    drift = connection.execute(
        select(orm.call("statistics_drift", collection=name).table_valued("lexeme").c.lexeme)
    ).all()
    if drift:
        yield Finding(
            "error",
            subject,
            f"the statistics of {len(drift)} lexemes are wrong",
            f"run: select retrieval.refresh_statistics('{name}')",
        )
    else:
        yield Finding("ok", subject, "statistics are exact")
    spaces = select(orm.Space).where(orm.Space.collection_id == collection_id)
    for space in connection.execute(spaces.with_only_columns(*orm.Space.__table__.columns)).all():
        yield _space(connection, name, space.name, space.space_id, space.index_method)


def _space(
    connection: Connection, collection: str, space: str, space_id: int, index_method: str
) -> Finding:
    subject = f"space {space} of {collection}"
    missing = connection.execute(
        select(
            orm.call("missing_embeddings", collection=collection, space=space, max_results=1)
            .table_valued("chunk_id")
            .c.chunk_id
        )
    ).first()
    if missing:
        return Finding("warning", subject, "chunks lack embeddings", "ingest again to embed them")
    indexed = connection.scalar(
        text(
            "select bool_or(indisvalid) from pg_index "
            "where indexrelid = to_regclass('retrieval.embeddings_' || :space_id || '_index')"
        ),
        {"space_id": str(space_id)},
    )
    if index_method != "none" and not indexed:
        advice = f"run: select retrieval.build_index('{collection}', '{space}')"
        return Finding("warning", subject, "has no index, so every search reads all of it", advice)
    return Finding("ok", subject, "complete and indexed" if indexed else "complete, exact")
