"""The searches as selectables: built without I/O, joinable to an application's own tables.

    hits = hybrid_search("shop", query_text="warm jacket", max_results=20)
    select(Product, hits.c.score).join(hits, hits.c.document_key == Product.sku)

The parameters are those of the SQL functions of the same names, which carry the documentation; one
that is left out is left to its SQL default.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Float, Integer, Text, column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnClause, ColumnElement
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval.orm.functions import call

Vector = Sequence[float] | Any


def hit_columns(*legs: str) -> list[ColumnClause[Any]]:
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


def search_hits(
    function: str, columns: list[ColumnClause[Any]], arguments: Mapping[str, Any]
) -> TableValuedAlias:
    """A call of a search, as a selectable of its hits."""
    return call(function, **arguments).table_valued(*columns, name="hits")


def keyword_search(
    collection: str,
    query_text: str,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    keyword_operator: str | None = None,
    field_weights: Mapping[str, float] | None = None,
    k1: float | None = None,
    b: float | None = None,
) -> TableValuedAlias:
    """The best chunks by BM25, as a selectable."""
    return search_hits("keyword_search", hit_columns("keyword"), locals())


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
    return search_hits("semantic_search", hit_columns("semantic"), locals())


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
    return search_hits("sparse_search", hit_columns("sparse"), locals())


def late_interaction_search(
    collection: str,
    query_tokens: Sequence[Vector] | Any,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    space: str | None = None,
    signature: Mapping[str, Any] | None = None,
) -> TableValuedAlias:
    """The best chunks by the vectors of their tokens, as a selectable."""
    return search_hits("late_interaction_search", hit_columns("late_interaction"), locals())


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
    return search_hits("recommend", hit_columns("semantic"), locals())


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
    return search_hits("recommend_documents", hit_columns("semantic"), locals())


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
    return search_hits("more_like_this", hit_columns("keyword"), locals())
