"""Looks for what is wrong with a database, and says what to do about it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select, text

from retrieval import orm
from retrieval.database.schema import check_schema, head_revision
from retrieval.database.vectors import figures_message, find_problems, is_enough
from retrieval.errors import SchemaMismatch


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` says what to do unless all is well."""

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str
    advice: str = ""


def diagnose(connection: Connection) -> Iterator[Finding]:
    """Look at the server, the schema and every collection. Reads every chunk, vectors by sample."""
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
        yield from _space(connection, name, space)


def _space(connection: Connection, collection: str, space: Any) -> Iterator[Finding]:
    """Look at one space, and at its vectors if they are dense and not too few."""
    figures = _figures(connection, collection, space.name) if space.kind == "dense" else None
    judged = figures is not None and is_enough(figures)
    remark = "; too few vectors to judge them" if figures is not None and not judged else ""
    yield _state(connection, collection, space, remark)
    if not judged:
        return
    subject = f"vectors of {space.name} in {collection}"
    yield Finding("ok", subject, figures_message(figures))
    for message, advice in find_problems(figures, space.metric):
        yield Finding("warning", subject, message, advice)


def _figures(connection: Connection, collection: str, space: str) -> Any:
    statement = text("select * from retrieval.describe_space(:collection, :space)")
    return connection.execute(statement, {"collection": collection, "space": space}).one()


def _state(connection: Connection, collection: str, space: Any, remark: str) -> Finding:
    """Whether every chunk has an embedding and the index exists."""
    subject = f"space {space.name} of {collection}"
    missing = connection.execute(
        select(
            orm.call("missing_embeddings", collection=collection, space=space.name, max_results=1)
            .table_valued("chunk_id")
            .c.chunk_id
        )
    ).first()
    if missing:
        advice = f"run: {shlex.join(['retrieval', 'spaces', 'fill', collection, space.name])}"
        return Finding("warning", subject, "chunks lack embeddings", advice)
    indexed = connection.scalar(
        text("select retrieval._has_index(s) from retrieval.spaces s where s.space_id = :space_id"),
        {"space_id": space.space_id},
    )
    if space.index_method != "none" and not indexed:
        kind = "" if space.kind == "dense" else f", '{space.kind}'"
        advice = f"run: select retrieval.build_index('{collection}', '{space.name}'{kind})"
        return Finding("warning", subject, "has no index, so every search reads all of it", advice)
    state = "complete and indexed" if indexed else "complete, exact"
    return Finding("ok", subject, f"{state}{remark}")
