"""The searches as selectables: built without I/O, joinable to an application's own tables.

    hits = hybrid_search("shop", query_text="warm jacket", max_results=20)
    select(Product, hits.c.score).join(hits, hits.c.document_key == Product.sku)

The parameters are those of the SQL functions of the same names, which carry the documentation; one
that is left out is left to its SQL default.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import BigInteger, Float, Integer, Text, column, func, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnClause, ColumnElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.sql.visitors import InternalTraversal

Vector = Sequence[float] | Any

_TYPES: dict[str, Any] = {
    "collection": Text(),
    "query_text": Text(),
    "query_embedding": HALFVEC(),
    "metadata_filter": JSONB(none_as_null=True),
    "max_results": Integer(),
    "weights": JSONB(none_as_null=True),
    "rrf_k": Integer(),
    "candidates": Integer(),
    "space": Text(),
    "signature": JSONB(none_as_null=True),
    "keyword_operator": Text(),
    "chunk_id": BigInteger(),
    "before": Integer(),
    "after": Integer(),
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
    bound = value if isinstance(value, ColumnElement) else literal(value, _TYPES[name])
    return NamedArgument(name, bound)


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


def _call(
    function: str, columns: list[ColumnClause[Any]], arguments: Mapping[str, Any]
) -> TableValuedAlias:
    given = [_argument(name, value) for name, value in arguments.items() if value is not None]
    called = getattr(func.retrieval, function)(*given)
    alias: TableValuedAlias = called.table_valued(*columns, name="hits")
    return alias


def keyword_search(
    collection: str,
    query_text: str,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    keyword_operator: str | None = None,
) -> TableValuedAlias:
    """The best chunks by BM25, as a selectable."""
    return _call("keyword_search", _columns("keyword"), locals())


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
    return _call("semantic_search", _columns("semantic"), locals())


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
    return _call("hybrid_search", _columns("keyword", "semantic"), locals())


def neighbouring_chunks(
    chunk_id: Any, *, before: int | None = None, after: int | None = None
) -> TableValuedAlias:
    """A chunk and those around it, as a selectable with the columns of `Chunk`."""
    from .models import Chunk

    columns = [column(c.name, c.type) for c in Chunk.__table__.columns]
    return _call("neighbouring_chunks", columns, locals() | {"columns": None, "Chunk": None})
