"""The searches as selectables: built without I/O, joinable to an application's own tables.

    hits = hybrid_search("shop", query_text="warm jacket", max_results=20)
    select(Product, hits.c.score).join(hits, hits.c.document_key == Product.sku)

The parameters are those of the SQL functions of the same names, which carry the documentation; one
that is left out is left to its SQL default.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC, SPARSEVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    column,
    func,
    literal,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnClause, ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import NULLTYPE, TypeEngine

from retrieval.errors import InvalidInput
from retrieval.orm.models import Base, Chunk, Space

Vector = Sequence[float] | Any


# one name means one type in every function
_TYPES: dict[str, Any] = {
    "after": Integer(),
    "alignment": JSONB(),
    "before": Integer(),
    "candidates": Integer(),
    "chunk_id": BigInteger(),
    "chunk_ids": ARRAY(BigInteger),
    "chunks": BigInteger(),
    "collection": Text(),
    "details": JSONB(),
    "dimensions": Integer(),
    "document_keys": ARRAY(Text),
    "documents": JSONB(),
    "example_chunk": BigInteger(),
    "example_document": Text(),
    "exact": Boolean(),
    "exclude_documents": Boolean(),
    "field_weights": JSONB(),
    "force": Boolean(),
    "fusion": Text(),
    "index_method": Text(),
    "index_options": JSONB(),
    "key": Text(),
    "keys": ARRAY(Text),
    "keyword_operator": Text(),
    "kind": Text(),
    "legs": ARRAY(Text),
    "max_results": Integer(),
    "max_values": Integer(),
    "maximum_bytes": BigInteger(),
    "metadata_filter": JSONB(),
    "metric": Text(),
    "model": Text(),
    "name": Text(),
    "negative": ARRAY(BigInteger),
    "negative_keys": ARRAY(Text),
    "oversamplings": ARRAY(Integer),
    "positive": ARRAY(BigInteger),
    "positive_keys": ARRAY(Text),
    "quantization": Text(),
    "query_chunk_ids": ARRAY(BigInteger),
    "query_embedding": HALFVEC(),
    "query_sparse": SPARSEVEC(),
    "query_text": Text(),
    "revision": Text(),
    "rrf_k": Integer(),
    "sample": Integer(),
    "scores": ARRAY(Float),
    "search_effort": Integer(),
    "search_efforts": ARRAY(Integer),
    "search_options": JSONB(),
    "signature": JSONB(),
    "space": Text(),
    "strategy": Text(),
    "terms": Integer(),
    "text_config": Text(),
    "text_hashes": ARRAY(LargeBinary),
    "token_counts": ARRAY(Integer),
    "type": Text(),
    "weights": JSONB(),
}


class NamedArgument(ColumnElement[Any]):
    """`name => value` in a function call."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012
        ("name", InternalTraversal.dp_string),
        ("value", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, name: str, value: ColumnElement[Any]) -> None:
        self.name = name
        self.value = value
        self.type = value.type


@compiles(NamedArgument)
def _compile_named_argument(element: NamedArgument, compiler: Any, **options: Any) -> str:
    return f"{element.name} => {compiler.process(element.value, **options)}"


def _argument(name: str, value: Any) -> NamedArgument:
    if isinstance(value, ColumnElement):
        return NamedArgument(name, value)
    if isinstance(_TYPES[name], JSONB):
        _check_json(name, value)
    return NamedArgument(name, literal(value, _TYPES[name]))


def _check_json(name: str, value: Any) -> None:
    """Raise InvalidInput where the driver would only find out while it sends the value."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is not JSON: {error}") from error


def _columns(*legs: str) -> list[ColumnClause[Any]]:
    """What a search returns: the hit, then rank and score of each leg."""
    columns: list[ColumnClause[Any]] = [
        column("chunk_id", BigInteger),
        column("document_id", BigInteger),
        column("document_key", Text),
        column("title", Text),
        column("position", Integer),
        column("content", Text),
        column("metadata", JSONB),
        column("score", Float),
    ]
    for leg in legs:
        columns += [column(f"{leg}_rank", BigInteger), column(f"{leg}_score", Float)]
    return columns


def _columns_of(mapped: type[Base]) -> list[ColumnClause[Any]]:
    return [column(each.name, each.type) for each in mapped.__table__.columns]


def call(function: str, **arguments: Any) -> FunctionElement[Any]:
    """A call of `retrieval.<function>` with named arguments; None leaves one to its SQL default."""
    given = [_argument(name, value) for name, value in arguments.items() if value is not None]
    called: FunctionElement[Any] = getattr(func.retrieval, function)(*given)
    return called


def _search(
    function: str, columns: list[ColumnClause[Any]], arguments: Mapping[str, Any]
) -> TableValuedAlias:
    return call(function, **arguments).table_valued(*columns, name="hits")


def keyword_search(
    collection: str,
    query_text: str,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    keyword_operator: str | None = None,
    field_weights: Mapping[str, float] | None = None,
) -> TableValuedAlias:
    """The best chunks by BM25, as a selectable."""
    return _search("keyword_search", _columns("keyword"), locals())


def semantic_search(
    collection: str,
    query_embedding: Vector,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    space: str | None = None,
    signature: Mapping[str, Any] | None = None,
    search_effort: int | None = None,
) -> TableValuedAlias:
    """The nearest chunks of a space, as a selectable."""
    return _search("semantic_search", _columns("semantic"), locals())


def sparse_search(
    collection: str,
    query_sparse: Any,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    space: str | None = None,
    signature: Mapping[str, Any] | None = None,
    search_effort: int | None = None,
) -> TableValuedAlias:
    """The best chunks by learned sparse vectors, as a selectable."""
    return _search("sparse_search", _columns("sparse"), locals())


def hybrid_search(
    collection: str,
    query_text: str | None = None,
    query_embedding: Vector | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    weights: Mapping[str, float] | None = None,
    rrf_k: int | None = None,
    candidates: int | None = None,
    space: str | None = None,
    signature: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    search_effort: int | None = None,
) -> TableValuedAlias:
    """Keyword and semantic search fused by reciprocal rank fusion, as a selectable."""
    return _search("hybrid_search", _columns("keyword", "semantic"), locals())


def recommend(
    collection: str,
    positive: Sequence[int] | ColumnElement[Any],
    negative: Sequence[int] | ColumnElement[Any] | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    space: str | None = None,
    strategy: str | None = None,
    exclude_documents: bool | None = None,
    candidates: int | None = None,
    search_effort: int | None = None,
) -> TableValuedAlias:
    """The chunks most like some chunks and unlike others, as a selectable."""
    return _search("recommend", _columns("semantic"), locals())


def recommend_documents(
    collection: str,
    positive_keys: Sequence[str] | ColumnElement[Any],
    negative_keys: Sequence[str] | ColumnElement[Any] | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    space: str | None = None,
    strategy: str | None = None,
    candidates: int | None = None,
    search_effort: int | None = None,
) -> TableValuedAlias:
    """The documents most like some documents and unlike others, as a selectable."""
    return _search("recommend_documents", _columns("semantic"), locals())


def more_like_this(
    collection: str,
    example_document: str | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    terms: int | None = None,
    example_chunk: int | None = None,
    field_weights: Mapping[str, float] | None = None,
) -> TableValuedAlias:
    """The chunks most like a document, or a chunk, by its words, as a selectable."""
    return _search("more_like_this", _columns("keyword"), locals())


def facets(
    collection: str,
    keys: Sequence[str] | ColumnElement[Any],
    query_text: str | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    max_values: int | None = None,
    chunk_ids: Sequence[int] | ColumnElement[Any] | None = None,
) -> TableValuedAlias:
    """How many of the matches have which value of a metadata key, as a selectable."""
    called = call("facets", **locals())
    return called.table_valued(
        column("key", Text),
        column("value", JSONB),
        column("documents", BigInteger),
        column("chunks", BigInteger),
        name="facets",
    )


def count_matches(
    collection: str,
    query_text: str,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    exact: bool | None = None,
) -> ColumnElement[int]:
    """How many chunks keyword search considers, as an expression: `select(count_matches(...))`."""
    return type_coerce(call("count_matches", **locals()), BigInteger)


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


def neighbouring_chunks(
    chunk_id: Any, *, before: int | None = None, after: int | None = None
) -> TableValuedAlias:
    """A chunk and those around it, as a selectable with the columns of `Chunk`."""
    called = call("neighbouring_chunks", chunk_id=chunk_id, before=before, after=after)
    return called.table_valued(*_columns_of(Chunk), name="neighbours")


def written_spaces(collection: str) -> TableValuedAlias:
    """The spaces that need an embedding of every new chunk, with the columns of `Space`.

    Their rows are locked against a change of state until the transaction ends.
    """
    return call("written_spaces", collection=collection).table_valued(
        *_columns_of(Space), name="spaces"
    )


def list_spaces(collection: str) -> TableValuedAlias:
    """The spaces of a collection, as a selectable with more columns than `Space` has."""
    columns: list[ColumnClause[Any]] = [
        column("space_id", BigInteger),
        column("name", Text),
        column("kind", Text),
        column("state", Text),
        column("model", Text),
        column("revision", Text),
        column("dimensions", Integer),
        column("signature", JSONB),
        column("metric", Text),
        column("index_method", Text),
        column("quantization", Text),
        column("index_options", JSONB),
        column("search_options", JSONB),
        column("alignment", JSONB),
        column("has_query_adapter", Boolean),
        column("embeddings", BigInteger),
        column("missing", BigInteger),
        column("indexed", Boolean),
        column("bytes", BigInteger),
        column("created_at", DateTime(timezone=True)),
        column("activated_at", DateTime(timezone=True)),
    ]
    return call("list_spaces", collection=collection).table_valued(*columns, name="spaces")
