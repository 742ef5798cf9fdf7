"""The statements about collections that both retrievers run: built here without I/O."""

from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, select
from sqlalchemy.orm import aliased

from retrieval import orm
from retrieval.chunking import Chunking
from retrieval.document import Modality
from retrieval.embedding import Embedder, Kind
from retrieval.errors import NotFound
from retrieval.search.results import CollectionSummary
from retrieval.spaces.create import create_space_statement, space_name
from retrieval.steps import Query, Steps


def space_statement(
    collection: str, space: str | None, kind: Kind | None, *, modality: Modality | None = None
) -> Select[Any]:
    """What is known of a space; without a name, of the active one of the kind, texts before images.

    The active one may be asked for by its modality. One row with nulls where the collection has no
    such space, no row where there is no collection.
    """
    active = (orm.Space.state == "active") & (orm.Space.kind == kind)
    if modality is not None:
        active &= orm.Space.modality == modality
    wanted = active if space is None else orm.Space.name == space
    joined = (orm.Space.collection_id == orm.Collection.collection_id) & wanted
    return (
        select(*orm.Space.__table__.columns)
        .select_from(orm.Collection)
        .outerjoin(orm.Space, joined)
        .where(orm.Collection.name == collection)
        .order_by(orm.Space.modality != "text")
        .limit(1)
    )


def collections_statement(name: str | None = None) -> Select[Any]:
    """Every collection, or one, with its size, as the fields of `CollectionSummary`."""
    documents = (
        select(func.count())
        .where(orm.Document.collection_id == orm.Collection.collection_id)
        .scalar_subquery()
    )
    chunks = (
        select(cast(func.coalesce(func.sum(orm.ChunkStatistics.chunk_count), 0), BigInteger))
        .where(orm.ChunkStatistics.collection_id == orm.Collection.collection_id)
        .scalar_subquery()
    )
    active = aliased(orm.Space)
    searched = (
        select(active.space_id)
        .where(
            active.collection_id == orm.Collection.collection_id,
            active.state == "active",
            active.kind == "dense",
        )
        .order_by(active.modality != "text")
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(
            orm.Collection.name,
            orm.Collection.text_config,
            documents.label("documents"),
            chunks.label("chunks"),
            orm.Space.name.label("space"),
            orm.Space.model,
            orm.Space.dimensions,
            *(
                orm.Collection.settings[setting].label(setting)
                for setting in ("chunking", "ranking", "field_weights")
            ),
        )
        .outerjoin(orm.Space, orm.Space.space_id == searched)
        .order_by(orm.Collection.name)
    )
    return statement if name is None else statement.where(orm.Collection.name == name)


def collection_steps(name: str) -> Steps[CollectionSummary]:
    """One collection with its size; NotFound where there is none."""
    statement = collections_statement(name)
    row = yield Query(lambda connection: connection.execute(statement).one_or_none())
    if row is None:
        raise NotFound(f"collection {name} does not exist")
    return CollectionSummary(**row._mapping)


def set_chunking_statement(collection: str, chunking: Chunking | None) -> Select[Any]:
    """Set how a collection's documents are cut; None returns to the default."""
    as_json = None if chunking is None else chunking.as_json()
    return select(orm.call("set_chunking", collection=collection, chunking=as_json))


def create_collection_statements(
    name: str,
    text_config: str,
    embedder: Embedder,
    modality: str | None = None,
    chunking: Chunking | None = None,
) -> list[Select[Any]]:
    """Create a collection and, active from the start, the space of its embedder."""
    space = space_name(embedder.model)
    chosen = [] if chunking is None else [set_chunking_statement(name, chunking)]
    return [
        select(orm.call("create_collection", name=name, text_config=text_config)),
        *chosen,
        create_space_statement(name, space, embedder, modality=modality),
        select(orm.call("activate_space", collection=name, space=space)),
    ]
