"""The searches as selectables: built without I/O, joinable to an application's own tables.

    hits = hybrid_search("shop", query_text="warm jacket", max_results=20)
    select(Product, hits.c.score).join(hits, hits.c.document_key == Product.sku)

The parameters are those of the SQL functions of the same names, which carry the documentation; one
that is left out is left to its SQL default.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import ARRAY, BigInteger, Float, Integer, Text, column, func, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnClause, ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import UserDefinedType

from retrieval.errors import InvalidInput
from retrieval.orm.models import Chunk

Vector = Sequence[float] | Any


class HalfvecArray(UserDefinedType[Any]):
    """`halfvec[]`, sent as a literal without a type: it resolves wherever pgvector is installed."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> Any:
        """Write rows of floats as an array literal."""
        element = HALFVEC().bind_processor(dialect)

        def process(rows: Sequence[Any]) -> str:
            return "{" + ",".join(f'"{element(row)}"' for row in rows) + "}"

        return process


# one name means one type in every function
_TYPES: dict[str, Any] = {
    "after": Integer(),
    "before": Integer(),
    "candidates": Integer(),
    "chunk_id": BigInteger(),
    "chunk_ids": ARRAY(BigInteger),
    "collection": Text(),
    "dimensions": Integer(),
    "document_keys": ARRAY(Text),
    "documents": JSONB(),
    "embeddings": HalfvecArray(),
    "field_weights": JSONB(),
    "keyword_operator": Text(),
    "max_results": Integer(),
    "metadata_filter": JSONB(),
    "model": Text(),
    "name": Text(),
    "query_embedding": HALFVEC(),
    "query_text": Text(),
    "revision": Text(),
    "rrf_k": Integer(),
    "signature": JSONB(),
    "space": Text(),
    "text_config": Text(),
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
) -> TableValuedAlias:
    """The nearest chunks of a space, as a selectable."""
    return _search("semantic_search", _columns("semantic"), locals())


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
) -> TableValuedAlias:
    """Keyword and semantic search fused by reciprocal rank fusion, as a selectable."""
    return _search("hybrid_search", _columns("keyword", "semantic"), locals())


def neighbouring_chunks(
    chunk_id: Any, *, before: int | None = None, after: int | None = None
) -> TableValuedAlias:
    """A chunk and those around it, as a selectable with the columns of `Chunk`."""
    called = call("neighbouring_chunks", chunk_id=chunk_id, before=before, after=after)
    columns = [column(each.name, each.type) for each in Chunk.__table__.columns]
    return called.table_valued(*columns, name="neighbours")
