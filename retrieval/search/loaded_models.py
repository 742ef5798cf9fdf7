"""Loads the models that searches will need, before they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, func, select

from retrieval import orm
from retrieval.embedding import create_embedder
from retrieval.embedding.spaces import KnownSpaces
from retrieval.settings import Settings
from retrieval.steps import Compute, Query, Steps

PROBE = "probe"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that embeds queries, and what kept it from being loaded, if anything did.

    `is_default` is that of the retriever's own embedder, or else of the settings.
    """

    model: str
    is_default: bool
    error: Exception | None = None


def load_models_steps(known_spaces: KnownSpaces) -> Steps[list[LoadedModel]]:
    """Load the models of active spaces, each once; where there are none, the default one."""
    rows = yield Query(_spaces)
    loaded: list[LoadedModel] = yield Compute(partial(_loaded, known_spaces, rows))
    return loaded


def spaces_statement() -> Select[Any]:
    """One active space for each model, in each form that it is used in."""
    space = orm.Space.__table__.c
    first = (
        select(func.min(space.space_id))
        .where(space.state == "active")
        .group_by(space.model, space.kind, space.dimensions, space.signature)
    )
    return select(*space).where(space.space_id.in_(first)).order_by(space.space_id)


def _spaces(connection: Connection) -> Sequence[Any]:
    return connection.execute(spaces_statement()).all()


def _loaded(known_spaces: KnownSpaces, rows: Sequence[Any]) -> list[LoadedModel]:
    default = known_spaces.embedder or create_embedder(Settings().model)
    if not rows:
        try:
            default.embed_query(PROBE)
        except Exception as error:
            return [LoadedModel(default.model, True, error)]
        known_spaces.remember(default)
        return [LoadedModel(default.model, True)]
    return [_load(known_spaces, row, row.model == default.model) for row in rows]


def _load(known_spaces: KnownSpaces, row: Any, is_default: bool) -> LoadedModel:
    try:
        known_spaces.known(row).embedder.embed_query(PROBE)
    except Exception as error:  # whatever a library meets in a model
        return LoadedModel(row.model, is_default, error)
    return LoadedModel(row.model, is_default)
