"""The statements that searches are: built without I/O from a request and its queries."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval import orm
from retrieval.errors import InvalidInput
from retrieval.orm.embedding_json import embeddings_as_json
from retrieval.orm.functions import check_argument, parameter
from retrieval.search.queries import Queries
from retrieval.search.request import QUERIES, SearchRequest

# of hybrid search, and what finds documents has not
CHUNKS_ONLY = ("duplicate_similarity", "per_document", "mmr_lambda", "result_offset")
OF_WORDS = ("field_weights", "k1", "b")
OPTIONS = (
    "metadata_filter",
    "max_results",
    "fusion",
    "rrf_k",
    "candidates",
    "keyword_operator",
    *OF_WORDS,
    "search_effort",
    "late_interaction",
    "boosts",
    "space",
)


class Statement(NamedTuple):
    """A statement, and what it is executed with."""

    select: Select[Any]
    parameters: Mapping[str, Any] = {}


def search_statement(request: SearchRequest, queries: Queries) -> Statement:
    """Find chunks: by hybrid search, or by the function of the only leg."""
    if request.only_leg is not None:
        return _leg_statement(request.only_leg, request, queries)
    options = {name: getattr(request, name) for name in CHUNKS_ONLY}
    return _prepared(orm.hybrid_search, {**_arguments(request, queries), **options})


def explain_statement(request: SearchRequest, queries: Queries) -> Statement:
    """Say how a hybrid search comes to its ranking."""
    options = {name: getattr(request, name) for name in CHUNKS_ONLY}
    return Statement(select(orm.explain_search(**_arguments(request, queries), **options)))


def documents_statement(
    request: SearchRequest, queries: Queries, aggregation: str | None
) -> Statement:
    """Find documents."""
    for name in CHUNKS_ONLY:
        if getattr(request, name) is not None:
            raise InvalidInput(f"{name} is for chunks; documents are found without it")
    return _prepared(
        orm.document_search, {**_arguments(request, queries), "aggregation": aggregation}
    )


def _leg_statement(leg: str, request: SearchRequest, queries: Queries) -> Statement:
    arguments: dict[str, Any] = {
        "collection": request.collection,
        "metadata_filter": request.metadata_filter,
        "max_results": request.max_results,
    }
    if leg == "keyword":
        words = {"query_text": request.query, "keyword_operator": request.keyword_operator}
        constants = {name: getattr(request, name) for name in OF_WORDS}
        return _prepared(orm.keyword_search, arguments | words | constants)
    arguments |= {"space": request.space, "signature": queries.signatures.get(leg)}
    arguments[QUERIES[leg]] = queries.embeddings[leg]
    if leg == "late_interaction":
        return _prepared(orm.late_interaction_search, arguments)
    search = orm.semantic_search if leg == "semantic" else orm.sparse_search
    return _prepared(search, {**arguments, "search_effort": request.search_effort})


def _prepared(search: Callable[..., TableValuedAlias], arguments: Mapping[str, Any]) -> Statement:
    """The hits of a search. To build a statement takes as long as to execute it."""
    given = {name: value for name, value in arguments.items() if value is not None}
    for name, value in given.items():
        check_argument(name, value)
    return Statement(_select(search, tuple(given)), given)


@lru_cache(maxsize=1_000)
def _select(search: Callable[..., TableValuedAlias], names: tuple[str, ...]) -> Select[Any]:
    return select(*search(**{name: parameter(name) for name in names}).c)


def _arguments(request: SearchRequest, queries: Queries) -> dict[str, Any]:
    """The arguments that every function of hybrid search has."""
    signatures = dict(queries.signatures)
    return {
        "collection": request.collection,
        "query_text": request.query if "keyword" in request.legs else None,
        "query_embedding": queries.embeddings.get("semantic"),
        "query_sparse": queries.embeddings.get("sparse"),
        "query_tokens": queries.embeddings.get("late_interaction"),
        "query_embeddings": embeddings_as_json(
            {name: queries.embeddings[name] for name in request.spaces}
        )
        or None,
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
