"""From one model to another while users search, ingest and delete.

Every step leaves its result in the database, so that whoever starts again after an interruption
goes on where it was: the space that is being built, the embeddings it has, its index, its state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from retrieval import orm
from retrieval.database import from_database_error
from retrieval.embedding import Embedder
from retrieval.embedding.spaces import KnownSpace, KnownSpaces, check_signature
from retrieval.errors import InvalidInput, NotReady
from retrieval.golden_sets.judgements import Judgements
from retrieval.ingestion.calibrate import calibrate_steps
from retrieval.ingestion.fill import fill_space
from retrieval.spaces.compare import Comparison, compare_steps
from retrieval.spaces.create import create_space_statement, space_name
from retrieval.spaces.index import build_index_steps
from retrieval.spaces.progress import EMBEDDING, EmbeddingProgress, Progress, silent
from retrieval.spaces.summary import space_rows
from retrieval.steps import Compute, Query, Steps

# Others may write chunks between the last embedding and the activation; each time there are fewer.
ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Migration:
    """What a migration did. `comparison` is None where there was nothing to compare with."""

    space: str
    former: str | None
    embedded: int
    activated: bool
    comparison: Comparison | None


def migrate_steps(
    collection: str,
    embedder: Embedder,
    known_spaces: KnownSpaces,
    *,
    space: str | None = None,
    options: Mapping[str, Any] | None = None,
    queries: Sequence[str] | Judgements | None = None,
    activate: bool = True,
    memory: str | None = None,
    on_progress: Progress | None = None,
) -> Steps[Migration]:
    """Create or resume the new space, fill it, index it, compare it, and make it the active one."""
    progress = on_progress or silent
    name = space or space_name((yield Compute(lambda: embedder.model)))
    begin = partial(_begin, collection=collection, name=name, embedder=embedder, options=options)
    yield Compute(lambda: embedder.signature)  # loads the model outside of any transaction
    row, former_row, missing = yield Query(begin)
    known_spaces.remember(embedder)
    target = KnownSpace(row.name, row.signature, embedder, row.space_id, row.state, row.modality)
    progress(EMBEDDING, 0, missing)
    embedded = yield from fill_space(collection, target, EmbeddingProgress(missing, progress))
    yield from build_index_steps(collection, name, target.kind, memory, progress)
    comparison = None
    if former_row is not None and queries and target.kind == "dense":
        former = yield Compute(partial(known_spaces.known, former_row))
        comparison = yield from compare_steps(collection, former, target, queries)
    if (target.kind, target.modality) == ("dense", "text"):
        # before it is searched; where that fails it counts as one of which nothing is known
        yield from calibrate_steps(collection, target, known_spaces)
    if activate:
        embedded += yield from _activate(collection, target)
        known_spaces.forget(collection)
    former_name = former_row.name if former_row is not None else None
    return Migration(name, former_name, embedded, activate, comparison)


def _begin(
    connection: Connection,
    collection: str,
    name: str,
    embedder: Embedder,
    options: Mapping[str, Any] | None,
) -> tuple[Any, Any, int]:
    """The space that is to be filled, the active one, and how many chunks are to be embedded."""
    rows = {row.name: row for row in space_rows(connection, collection)}
    if name not in rows:
        connection.execute(create_space_statement(collection, name, embedder, **(options or {})))
        rows = {row.name: row for row in space_rows(connection, collection)}
    row = rows[name]
    if row.kind != embedder.kind:
        raise InvalidInput(
            f"space {name} of collection {collection} is {row.kind}, "
            f"but the model {embedder.model} is {embedder.kind}; give the new space another name"
        )
    check_signature(embedder, name, row.signature)
    _check_options(row, options or {})
    if row.state == "retired":
        connection.execute(select(orm.call("resume_space", collection=collection, space=name)))
    former = (
        each
        for each in rows.values()
        if each.state == "active"
        and (each.kind, each.modality) == (row.kind, row.modality)
        and each.name != name
    )
    return row, next(former, None), row.missing


def _check_options(row: Any, options: Mapping[str, Any]) -> None:
    """Refuse what a space that is there already, such as a begun one, was not made with."""
    for option, asked in options.items():
        made = getattr(row, option)
        if asked is not None and asked != made:
            raise InvalidInput(
                f"space {row.name} is there already, with {option} {made}, not {asked}; "
                "drop it or give the new space another name"
            )


def _activate(collection: str, target: KnownSpace) -> Steps[int]:
    """Make the space the active one; what was written meanwhile is embedded first."""
    embedded = 0
    for _ in range(ATTEMPTS):
        refusal = yield Query(partial(_try_to_activate, collection=collection, space=target.name))
        if refusal is None:
            return embedded
        embedded += yield from fill_space(collection, target)
    raise NotReady(f"{refusal}; chunks are written faster than they can be embedded")


def _try_to_activate(connection: Connection, collection: str, space: str) -> NotReady | None:
    try:
        with connection.begin_nested():
            called = orm.call("activate_space", collection=collection, space=space)
            connection.execute(select(called))
    except DBAPIError as error:
        reason = from_database_error(error)
        if not isinstance(reason, NotReady):
            raise
        return reason
    return None
