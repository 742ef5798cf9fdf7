"""What makes rankings and is made of them: selectables and expressions like the searches."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Float,
    Integer,
    LargeBinary,
    SQLColumnExpression,
    Text,
    Uuid,
    cast,
    column,
    literal,
    null,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnClause, ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import NULLTYPE, TypeEngine

from retrieval.orm.functions import call
from retrieval.orm.vector_array import VectorArray


def fuse(
    legs: Sequence[str] | ColumnElement[Any],
    ids: Sequence[int] | Sequence[str] | Sequence[UUID] | ColumnElement[Any],
    scores: Sequence[float] | ColumnElement[Any],
    *,
    fusion: str | None = None,
    weights: Mapping[str, float] | None = None,
    rrf_k: int | None = None,
) -> TableValuedAlias:
    """One ranking out of several lists of candidates, as a selectable with `id`s of their type."""
    id_type = _id_type(ids)
    if not isinstance(ids, ColumnElement):
        ids = literal(ids, ARRAY(id_type))
    columns: list[ColumnClause[Any]] = [
        column("id", id_type),
        column("score", Float),
        column("contributions", JSONB),
    ]
    called = call(
        "fuse", legs=legs, ids=ids, scores=scores, fusion=fusion, weights=weights, rrf_k=rrf_k
    )
    return called.table_valued(*columns, name="fused")


def _id_type(ids: Sequence[Any] | ColumnElement[Any]) -> TypeEngine[Any]:
    """The type of one id of an array."""
    if isinstance(ids, ColumnElement):
        return ids.type.item_type if isinstance(ids.type, ARRAY) else NULLTYPE
    types: dict[type, TypeEngine[Any]] = {int: BigInteger(), UUID: Uuid()}
    return types.get(type(ids[0]), Text()) if ids else Text()


def diversify(
    collection: str,
    chunk_ids: Sequence[int] | ColumnElement[Any],
    scores: Sequence[float] | ColumnElement[Any],
    *,
    mmr_lambda: float | None = None,
    max_results: int | None = None,
    space: str | None = None,
) -> TableValuedAlias:
    """Chunks of a ranking that are not like each other, as a selectable."""
    return call("diversify", **locals()).table_valued(
        column("chunk_id", BigInteger),
        column("score", Float),
        column("mmr_score", Float),
        name="diversified",
    )


def collapse_duplicates(
    collection: str,
    chunk_ids: Sequence[int] | ColumnElement[Any],
    scores: Sequence[float] | ColumnElement[Any],
    *,
    similarity: float | None = None,
    space: str | None = None,
) -> TableValuedAlias:
    """A ranking without near-duplicates, as a selectable."""
    return call("collapse_duplicates", **locals()).table_valued(
        column("chunk_id", BigInteger),
        column("score", Float),
        column("duplicates", ARRAY(BigInteger)),
        name="collapsed",
    )


def passages(
    collection: str,
    chunk_ids: Sequence[int] | ColumnElement[Any],
    scores: Sequence[float] | ColumnElement[Any] | None = None,
    *,
    before: int | None = None,
    after: int | None = None,
) -> TableValuedAlias:
    """The passages that chunks are part of, as a selectable."""
    return call("passages", **locals()).table_valued(
        column("document_id", BigInteger),
        column("document_key", Text),
        column("title", Text),
        column("context", Text),
        column("metadata", JSONB),
        column("first_position", Integer),
        column("last_position", Integer),
        column("start_offset", Integer),
        column("end_offset", Integer),
        column("content", Text),
        column("score", Float),
        column("hit_ids", ARRAY(BigInteger)),
        name="passages",
    )


def max_sim(
    query: Sequence[Any] | SQLColumnExpression[Any],
    document: Sequence[Any] | SQLColumnExpression[Any],
    *,
    metric: str | None = None,
) -> ColumnElement[float]:
    """The late-interaction score of a document, such as `TokenEmbeddings.embeddings`."""
    called = call(
        "max_sim",
        query=type_coerce(query, VectorArray(HALFVEC)),
        document=type_coerce(document, VectorArray(HALFVEC)),
        metric=metric,
    )
    return type_coerce(called, Float)


def set_ranking(
    collection: str,
    *,
    fusion: str | None = None,
    weights: Mapping[str, float] | None = None,
    rrf_k: int | None = None,
    candidates: int | None = None,
    k1: float | None = None,
    b: float | None = None,
    mmr_lambda: float | None = None,
    rerank: Mapping[str, Any] | None = None,
) -> FunctionElement[Any]:
    """Set how a collection ranks, once it is selected."""
    return call("set_ranking", **locals())


def set_field_weights(
    collection: str, field_weights: Mapping[str, float] | None
) -> FunctionElement[Any]:
    """Set what words count by the field that they are in, once it is selected."""
    weights = cast(null(), JSONB()) if field_weights is None else dict(field_weights)
    return call("set_field_weights", collection=collection, field_weights=weights)


def calibrate(
    collection: str,
    space: str | None = None,
    *,
    sample: int | None = None,
    store: bool | None = None,
) -> TableValuedAlias:
    """Find what a space should count, once it is selected."""
    return call("calibrate", **locals()).table_valued(
        column("space_name", Text),
        column("sampled", BigInteger),
        column("agreement", Float),
        column("weight", Float),
        name="calibration",
    )


def boost(
    collection: str,
    chunk_ids: Sequence[int] | ColumnElement[Any],
    scores: Sequence[float] | ColumnElement[Any],
    boosts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    reference_time: datetime | None = None,
) -> TableValuedAlias:
    """A ranking's scores times what its chunks' metadata says, as a selectable."""
    return call("boost", **locals()).table_valued(
        column("chunk_id", BigInteger),
        column("score", Float),
        column("boosted_score", Float),
        column("factors", JSONB),
        name="boosted",
    )


def packed_tokens(
    collection: str, chunk_ids: Sequence[int] | ColumnElement[Any], *, space: str | None = None
) -> TableValuedAlias:
    """The token embeddings of chunks as bytes, as a selectable."""
    return call("packed_tokens", **locals()).table_valued(
        column("chunk_id", BigInteger),
        column("tokens", Integer),
        column("vectors", LargeBinary),
        name="packed",
    )
