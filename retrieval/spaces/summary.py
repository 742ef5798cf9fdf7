"""What there is to know of a collection's spaces."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.errors import NotFound


@dataclass(frozen=True, slots=True)
class SpaceSummary:
    """A space, how many chunks lack an embedding in it, and whether it has its index."""

    name: str
    kind: str
    modality: str
    state: str
    model: str
    dimensions: int
    metric: str
    index_method: str
    quantization: str
    index_options: dict[str, Any]
    search_options: dict[str, Any]
    alignment: dict[str, Any] | None
    has_query_adapter: bool
    embeddings: int
    missing: int
    indexed: bool
    bytes: int | None  # of all tenants, which none of them is told


def space_rows(connection: Connection, collection: str) -> list[Any]:
    """Every space of a collection as `retrieval.list_spaces` says; NotFound without collection."""
    called = orm.list_spaces(collection)
    return list(connection.execute(select(*called.c)))


def space_row(connection: Connection, collection: str, space: str | None, kind: str) -> Any:
    """One space: of that name, or the active one of the kind, of texts before one of images."""
    for row in space_rows(connection, collection):
        if row.name == space or (space is None and row.state == "active" and row.kind == kind):
            return row
    missing = f"space {space} does not exist" if space else f"there is no active {kind} space"
    raise NotFound(f"{missing} in collection {collection}")


def summaries(connection: Connection, collection: str) -> list[SpaceSummary]:
    """Every space of a collection, in the order of their creation."""
    names = SpaceSummary.__dataclass_fields__
    return [
        SpaceSummary(**{name: getattr(row, name) for name in names})
        for row in space_rows(connection, collection)
    ]
