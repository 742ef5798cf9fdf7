"""A map: the chunks of a space in two dimensions, with a query and what it finds among them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Connection, literal, select, type_coerce

from retrieval import orm
from retrieval.embedding.spaces import KnownSpaces, check_found
from retrieval.errors import InvalidInput, NotReady
from retrieval.search.request import SearchRequest
from retrieval.search.results import Hit
from retrieval.search.searches import rows
from retrieval.search.statements import space_statement
from retrieval.steps import Compute, Read, Steps

METHODS = ("pca",)
MOST_COLORS = 7
BEGINNING = 200

Vectors = NDArray[np.float64]
Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A chunk on a map; `value` is what it has under the key that colours it, a scalar or None."""

    chunk_id: int
    document_key: str
    title: str | None
    position: int
    beginning: str
    x: float
    y: float
    value: Any


@dataclass(frozen=True, slots=True)
class MapColor:
    """What colours stand for: values, the commonest first, or numbers from `minimum` to `maximum`.

    `others` are the points of any other value, `missing` those without one.
    """

    key: str
    kind: Literal["category", "number"]
    values: list[tuple[Any, int]]
    others: int
    missing: int
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True)
class ChunkMap:
    """Chunks in two dimensions: a sample, and what a query finds.

    The axes are of the sample alone, so another query does not move a point. `explained_variance`
    is the share of the sample's variance along each of them. `hits` are chunks among the points,
    best first; `query` is where the query itself is.
    """

    space: str
    method: str
    points: list[MapPoint]
    query: Place | None
    hits: list[int]
    explained_variance: Place
    color: MapColor | None


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What a map shows."""

    collection: str
    query: str | None = None
    chunk_ids: Sequence[int] | None = None
    color_by: str | None = None
    max_points: int = 2000
    max_results: int = 10
    metadata_filter: Mapping[str, Any] | None = None
    space: str | None = None
    method: str = "pca"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InvalidInput(f"method must be one of {', '.join(METHODS)}, not {self.method}")

    @property
    def is_asking(self) -> bool:
        """Whether there is a query."""
        return self.query is not None and self.query.strip() != ""


Find = Callable[[SearchRequest], Steps[list[Hit]]]


def map_steps(request: MapRequest, known_spaces: KnownSpaces, find: Find) -> Steps[ChunkMap]:
    """Take a sample, find what the query finds, and project both."""
    row = yield Read(partial(_space_row, request=request))
    if not check_found(request.collection, request.space, "dense", row):
        raise NotReady(f"collection {request.collection} has no active dense space to map")
    query = None
    if request.is_asking:
        known = yield Compute(partial(known_spaces.known, row))
        embedding = yield Compute(partial(known.embedder.embed_query, request.query))
        query = yield Read(partial(_adapted, request=request, space=row.name, embedding=embedding))
    hits = list(request.chunk_ids or [])
    if request.is_asking and request.chunk_ids is None:
        hits = [hit.chunk_id for hit in (yield from find(_search(request, row.name)))]
    chunks = yield from rows(_chunks(request, row.name, hits))
    drawn: ChunkMap = yield Compute(partial(_drawn, request, row, chunks, query, hits))
    return drawn


def _search(request: MapRequest, space: str) -> SearchRequest:
    return SearchRequest(
        collection=request.collection,
        query=request.query or "",
        space=space,
        metadata_filter=request.metadata_filter,
        max_results=request.max_results,
    )


def _space_row(connection: Connection, request: MapRequest) -> Any:
    statement = space_statement(request.collection, request.space, "dense")
    return connection.execute(statement).one_or_none()


def _adapted(connection: Connection, request: MapRequest, space: str, embedding: Any) -> Any:
    """Where searches look: a space may map its queries."""
    adapted = orm.call(
        "adapt_query",
        collection=request.collection,
        query_embedding=literal(embedding, HALFVEC()),
        space=space,
    )
    return connection.execute(select(type_coerce(adapted, HALFVEC()))).scalar()


def _chunks(request: MapRequest, space: str, chunk_ids: Sequence[int]) -> Any:
    found = orm.sample_chunks(
        request.collection,
        space=space,
        sample=request.max_points,
        metadata_filter=request.metadata_filter,
        chunk_ids=list(chunk_ids) or None,
    )
    return select(*found.c)


def _drawn(
    request: MapRequest, space: Any, chunks: Sequence[Any], query: Any, hits: Sequence[int]
) -> ChunkMap:
    given = [chunk.embedding for chunk in chunks] + ([] if query is None else [query])
    sampled = sum(chunk.is_sampled for chunk in chunks)
    vectors = _vectors(given, space.dimensions, by_direction=space.metric == "cosine")
    places, explained = project(vectors, sampled or len(chunks))
    points = [
        MapPoint(
            chunk_id=chunk.chunk_id,
            document_key=chunk.document_key,
            title=chunk.title,
            position=chunk.position,
            beginning=chunk.content[:BEGINNING],
            x=float(x),
            y=float(y),
            value=_scalar(chunk.metadata.get(request.color_by)) if request.color_by else None,
        )
        for chunk, (x, y) in zip(chunks, places, strict=False)
    ]
    there = {point.chunk_id for point in points}
    return ChunkMap(
        space=space.name,
        method=request.method,
        points=points,
        query=None if query is None else (float(places[-1][0]), float(places[-1][1])),
        hits=[chunk_id for chunk_id in hits if chunk_id in there],
        explained_variance=explained,
        color=_color(request.color_by, points) if request.color_by else None,
    )


def _vectors(given: Sequence[Any], dimensions: int, *, by_direction: bool) -> Vectors:
    vectors = np.array(given, dtype=np.float64).reshape(len(given), dimensions)
    if not by_direction:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.where(lengths == 0, 1, lengths)
    return unit


def project(vectors: Vectors, sampled: int) -> tuple[Vectors, Place]:
    """All rows on the two principal components of the first ones, and the variance these explain.

    The same again for the same rows, signs included. Without any spread everything is at 0, 0.
    """
    from sklearn.decomposition import PCA

    sample = vectors[:sampled]
    places = np.zeros((len(vectors), 2))
    if len(sample) < 2 or np.allclose(sample, sample[:1]):
        return places, (0.0, 0.0)
    components = min(2, *sample.shape)
    fitted = PCA(n_components=components, random_state=0).fit(sample)
    places[:, :components] = fitted.transform(vectors)
    shares = [*fitted.explained_variance_ratio_.tolist(), 0.0]
    return places, (shares[0], shares[1])


def _scalar(value: Any) -> Any:
    """The value that colours a chunk: of an array the first, of an object none."""
    if isinstance(value, list):
        return _scalar(value[0]) if value else None
    return None if isinstance(value, dict) else value


def _color(key: str, points: Sequence[MapPoint]) -> MapColor:
    values = [point.value for point in points if point.value is not None]
    missing = len(points) - len(values)
    # JSON tells true from 1, which Python takes for equal
    counted = Counter((type(value) is bool, value) for value in values)
    numbers = [value for value in values if _is_number(value)]
    if len(numbers) == len(values) and len(counted) > MOST_COLORS:
        return MapColor(key, "number", [], 0, missing, float(min(numbers)), float(max(numbers)))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], str(item[0][1])))
    shown = [(value, count) for (_, value), count in ordered[:MOST_COLORS]]
    others = len(values) - sum(count for _, count in shown)
    return MapColor(key, "category", shown, others, missing, None, None)


def _is_number(value: Any) -> bool:
    """Whether it can be a place on a ramp; JSON has integers that no float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
