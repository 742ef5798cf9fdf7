"""Removes documents whose files have vanished."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, func, or_, select

from retrieval import orm
from retrieval.loading.paths import printable

DELETED_TOGETHER = 1_000


def prune(
    connection: Connection,
    collection: str,
    paths: Sequence[Path],
    seen_keys: Collection[str],
    failed: Sequence[str],
    dry_run: bool,
) -> list[str]:
    """Delete the documents that came from these paths and were not seen again; returns their keys.

    What is from a file or folder that failed stays: it may be there, only not to be read today.
    With `dry_run` nothing is deleted.
    """
    vanished = [
        key
        for key, source in _documents_from(connection, collection, paths)
        if key not in seen_keys and not any(_is_from(source, each) for each in failed)
    ]
    for start in range(0, 0 if dry_run else len(vanished), DELETED_TOGETHER):
        keys = vanished[start : start + DELETED_TOGETHER]
        called = orm.call("delete_documents", collection=collection, document_keys=keys)
        connection.execute(select(called))
    return vanished


def _documents_from(
    connection: Connection, collection: str, paths: Sequence[Path]
) -> Iterator[tuple[str, str]]:
    """Key and source of each document whose source is one of the paths, or below it."""
    roots = [printable(os.path.abspath(path)) for path in paths]
    source = orm.Document.source
    statement = (
        select(orm.Document.document_key, source)
        .join(orm.Document.collection)
        .where(
            orm.Collection.name == collection,
            orm.of_current_tenant(orm.Document),
            or_(
                source.in_(roots),
                *(func.starts_with(source, root.rstrip("/") + "/") for root in roots),
            ),
        )
        .order_by(orm.Document.document_key)
    )
    for row in connection.execute(statement) if roots else ():
        yield row.document_key, row.source


def _is_from(source: str, failed: str) -> bool:
    """Whether a source is what failed, below it, or the file of which one line failed."""
    failed = printable(os.path.abspath(failed))
    return source == failed or f"{source}/".startswith(f"{failed}/") or failed.startswith(source)
