"""The statements that both retrievers run: built here without I/O."""

from collections.abc import Collection as AbstractCollection
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, select

from retrieval import orm
from retrieval.embedding import Embedder
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import InvalidInput, NotReady
from retrieval.search.results import StoredChunk
from retrieval.spaces.create import create_space_statement, space_name

LEGS = ("keyword", "semantic")


@dataclass(frozen=True)
class SearchRequest:
    """A search before it runs. `options` are arguments of the SQL functions; None is a default.

    A request without legs, or with an unknown one, raises InvalidInput.
    """

    collection: str
    query: str
    legs: AbstractCollection[str]
    space: str | None
    query_embedding: Sequence[float] | Any | None
    options: Mapping[str, Any]
    signature: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.legs) - set(LEGS))
        if unknown or not self.legs:
            named = repr(unknown[0]) if unknown else "none"
            raise InvalidInput(f"legs must be some of {', '.join(LEGS)}, not {named}")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to search with."""
        return self.query_embedding is None and not self.query.strip()

    @property
    def needs_embedding(self) -> bool:
        """Whether the query has to go through the space's model first."""
        return "semantic" in self.legs and self.query_embedding is None

    def embedded(self, space: KnownSpace | None) -> "SearchRequest":
        """The request with its query's vector; without a space it is left to the words."""
        if space is None:
            return self
        vector = space.embedder.embed_query(self.query)
        return replace(self, query_embedding=vector, signature=dict(space.signature))

    def statement(self) -> Select[Any]:
        """The one statement of the search."""
        shared = self._options("metadata_filter", "max_results")
        words = self._options("keyword_operator")
        space: dict[str, Any] = {
            "space": self.space,
            "signature": self.signature,
            **self._options("search_effort"),
        }
        if set(self.legs) == {"keyword"}:
            hits = orm.keyword_search(self.collection, self.query, **shared, **words)
        elif set(self.legs) == {"semantic"}:
            if self.query_embedding is None:
                raise NotReady(f"collection {self.collection} has no active space to search in")
            hits = orm.semantic_search(self.collection, self.query_embedding, **shared, **space)
        else:
            fusion = self._options("weights", "rrf_k", "candidates")
            embedding = self.query_embedding
            hits = orm.hybrid_search(
                self.collection, self.query, embedding, **shared, **words, **fusion, **space
            )
        return select(*hits.c)

    def _options(self, *names: str) -> dict[str, Any]:
        return {name: self.options.get(name) for name in names}


def space_statement(collection: str, space: str | None) -> Select[Any]:
    """What is known of a space; without a name, of the active one.

    One row with nulls where the collection has no such space, no row where there is no collection.
    """
    wanted = orm.Space.state == "active" if space is None else orm.Space.name == space
    joined = (orm.Space.collection_id == orm.Collection.collection_id) & wanted
    return (
        select(*orm.Space.__table__.columns)
        .select_from(orm.Collection)
        .outerjoin(orm.Space, joined & (orm.Space.kind == "dense"))
        .where(orm.Collection.name == collection)
    )


def neighbouring_statement(chunk_id: int, before: int, after: int) -> Select[Any]:
    """A chunk and those around it, as the fields of `StoredChunk`."""
    found = orm.neighbouring_chunks(chunk_id, before=before, after=after)
    return select(*(found.c[each.name] for each in fields(StoredChunk))).order_by(found.c.position)


def collections_statement() -> Select[Any]:
    """Every collection with its size, as the fields of `CollectionSummary`."""
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
    return (
        select(
            orm.Collection.name,
            orm.Collection.text_config,
            documents.label("documents"),
            chunks.label("chunks"),
            orm.Space.name.label("space"),
            orm.Space.model,
            orm.Space.dimensions,
        )
        .outerjoin(
            orm.Space,
            (orm.Space.collection_id == orm.Collection.collection_id)
            & (orm.Space.state == "active")
            & (orm.Space.kind == "dense"),
        )
        .order_by(orm.Collection.name)
    )


def create_collection_statements(
    name: str, text_config: str, embedder: Embedder
) -> list[Select[Any]]:
    """Create a collection and, active from the start, the space of its embedder."""
    space = space_name(embedder.model)
    return [
        select(orm.call("create_collection", name=name, text_config=text_config)),
        create_space_statement(name, space, embedder),
        select(orm.call("activate_space", collection=name, space=space)),
    ]
