"""The statements that searches are: built without I/O from a request and its queries."""

from typing import Any

from sqlalchemy import Select, select

from retrieval import orm
from retrieval.errors import InvalidInput
from retrieval.search.queries import Queries
from retrieval.search.request import SearchRequest

# of hybrid search, and what finds documents has not
CHUNKS_ONLY = ("duplicate_similarity", "per_document", "mmr_lambda", "result_offset")
OPTIONS = (
    "metadata_filter",
    "max_results",
    "fusion",
    "rrf_k",
    "candidates",
    "keyword_operator",
    "search_effort",
    "late_interaction",
    "boosts",
    "space",
)


def search_statement(request: SearchRequest, queries: Queries) -> Select[Any]:
    """Find chunks: by hybrid search, or by the function of the only leg."""
    if request.only_leg is not None:
        return _leg_statement(request.only_leg, request, queries)
    options = {name: getattr(request, name) for name in CHUNKS_ONLY}
    return select(*orm.hybrid_search(**_arguments(request, queries), **options).c)


def explain_statement(request: SearchRequest, queries: Queries) -> Select[Any]:
    """Say how a hybrid search comes to its ranking."""
    options = {name: getattr(request, name) for name in CHUNKS_ONLY}
    return select(orm.explain_search(**_arguments(request, queries), **options))


def documents_statement(
    request: SearchRequest, queries: Queries, aggregation: str | None
) -> Select[Any]:
    """Find documents."""
    for name in CHUNKS_ONLY:
        if getattr(request, name) is not None:
            raise InvalidInput(f"{name} is for chunks; documents are found without it")
    found = orm.document_search(**_arguments(request, queries), aggregation=aggregation)
    return select(*found.c)


def _leg_statement(leg: str, request: SearchRequest, queries: Queries) -> Select[Any]:
    shared: dict[str, Any] = {
        "metadata_filter": request.metadata_filter,
        "max_results": request.max_results,
    }
    if leg == "keyword":
        shared |= {"keyword_operator": request.keyword_operator}
        return select(*orm.keyword_search(request.collection, request.query, **shared).c)
    shared |= {"space": request.space, "signature": queries.signatures.get(leg)}
    given = (request.collection, queries.embeddings[leg])
    if leg == "late_interaction":
        return select(*orm.late_interaction_search(*given, **shared).c)
    search = orm.semantic_search if leg == "semantic" else orm.sparse_search
    return select(*search(*given, **shared, search_effort=request.search_effort).c)


def _arguments(request: SearchRequest, queries: Queries) -> dict[str, Any]:
    """The arguments that every function of hybrid search has."""
    signatures = dict(queries.signatures)
    return {
        "collection": request.collection,
        "query_text": request.query if "keyword" in request.legs else None,
        "query_embedding": queries.embeddings.get("semantic"),
        "query_sparse": queries.embeddings.get("sparse"),
        "query_tokens": queries.embeddings.get("late_interaction"),
        "query_embeddings": {name: queries.embeddings[name] for name in request.spaces} or None,
        "signature": signatures.pop("semantic", None),
        "leg_signatures": signatures or None,
        **_of_legs(request, queries),
        **{name: getattr(request, name) for name in OPTIONS},
    }


def _of_legs(request: SearchRequest, queries: Queries) -> dict[str, Any]:
    """Weights and depths of legs, without those of a semantic leg that has no space."""
    weights, depths = request.weights, request.leg_candidates
    if "semantic" not in request.legs or "semantic" in queries.embeddings:
        return {"weights": weights, "leg_candidates": depths}
    weights = {leg: each for leg, each in (weights or {}).items() if leg != "semantic"}
    depths = {leg: each for leg, each in (depths or {}).items() if leg != "semantic"}
    # the words may have been told to count nothing beside it
    return {"weights": weights if any(weights.values()) else None, "leg_candidates": depths}
