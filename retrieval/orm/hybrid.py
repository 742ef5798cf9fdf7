"""Hybrid search, its documents and its explanation, which take the same arguments."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Float, Integer, Text, column, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval.orm.embedding_json import embeddings_as_json
from retrieval.orm.functions import call
from retrieval.orm.searches import Vector, hit_columns, search_hits

LEGS = ("keyword", "semantic", "sparse", "late_interaction")

Boosts = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def _with_json(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a hybrid search with its embeddings by space as JSON."""
    embeddings = arguments["query_embeddings"]
    if isinstance(embeddings, Mapping):
        return {**arguments, "query_embeddings": embeddings_as_json(embeddings)}
    return dict(arguments)


def hybrid_search(
    collection: str,
    query_text: str | None = None,
    query_embedding: Vector | None = None,
    query_sparse: Any | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    fusion: str | None = None,
    weights: Mapping[str, float] | None = None,
    rrf_k: int | None = None,
    candidates: int | None = None,
    space: str | None = None,
    signature: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    search_effort: int | None = None,
    query_tokens: Sequence[Vector] | Any | None = None,
    late_interaction: str | None = None,
    query_embeddings: Mapping[str, Any] | None = None,
    leg_candidates: Mapping[str, int] | None = None,
    leg_signatures: Mapping[str, Mapping[str, Any]] | None = None,
    boosts: Boosts | None = None,
    duplicate_similarity: float | None = None,
    per_document: int | None = None,
    mmr_lambda: float | None = None,
    result_offset: int | None = None,
    field_weights: Mapping[str, float] | None = None,
    k1: float | None = None,
    b: float | None = None,
) -> TableValuedAlias:
    """Several searches fused into one ranking, as a selectable.

    `query_embeddings` are by name of space: a vector, a SparseVector, or the vectors of tokens.
    """
    arguments = _with_json(locals())
    columns = [*hit_columns(*LEGS), column("contributions", JSONB)]
    return search_hits("hybrid_search", columns, arguments)


def document_search(
    collection: str,
    query_text: str | None = None,
    query_embedding: Vector | None = None,
    query_sparse: Any | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    aggregation: str | None = None,
    fusion: str | None = None,
    weights: Mapping[str, float] | None = None,
    rrf_k: int | None = None,
    candidates: int | None = None,
    space: str | None = None,
    signature: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    search_effort: int | None = None,
    query_tokens: Sequence[Vector] | Any | None = None,
    late_interaction: str | None = None,
    query_embeddings: Mapping[str, Any] | None = None,
    leg_candidates: Mapping[str, int] | None = None,
    leg_signatures: Mapping[str, Mapping[str, Any]] | None = None,
    boosts: Boosts | None = None,
    field_weights: Mapping[str, float] | None = None,
    k1: float | None = None,
    b: float | None = None,
) -> TableValuedAlias:
    """The best documents by their chunks in a hybrid search, as a selectable."""
    called = call("document_search", **_with_json(locals()))
    return called.table_valued(
        column("document_id", BigInteger),
        column("document_key", Text),
        column("title", Text),
        column("metadata", JSONB),
        column("score", Float),
        column("chunk_id", BigInteger),
        column("position", Integer),
        column("content", Text),
        column("chunk_ids", ARRAY(BigInteger)),
        name="documents",
    )


def explain_search(
    collection: str,
    query_text: str | None = None,
    query_embedding: Vector | None = None,
    query_sparse: Any | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    max_results: int | None = None,
    fusion: str | None = None,
    weights: Mapping[str, float] | None = None,
    rrf_k: int | None = None,
    candidates: int | None = None,
    space: str | None = None,
    signature: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    search_effort: int | None = None,
    query_tokens: Sequence[Vector] | Any | None = None,
    late_interaction: str | None = None,
    query_embeddings: Mapping[str, Any] | None = None,
    leg_candidates: Mapping[str, int] | None = None,
    leg_signatures: Mapping[str, Mapping[str, Any]] | None = None,
    boosts: Boosts | None = None,
    duplicate_similarity: float | None = None,
    per_document: int | None = None,
    mmr_lambda: float | None = None,
    result_offset: int | None = None,
    field_weights: Mapping[str, float] | None = None,
    k1: float | None = None,
    b: float | None = None,
) -> ColumnElement[Any]:
    """How a hybrid search comes to its ranking, as an expression: JSON."""
    return type_coerce(call("explain_search", **_with_json(locals())), JSONB)
