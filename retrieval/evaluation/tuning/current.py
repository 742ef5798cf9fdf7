"""How a collection is searched before it is tuned."""

from collections.abc import Collection, Sequence
from typing import Any

from retrieval.evaluation.tuning.space import DEFAULTS, FIELDS, RankingSpace, shares
from retrieval.search import Retriever
from retrieval.search.results import CollectionSummary


def ranking_space(
    retriever: Retriever,
    collection: str,
    query: str,
    legs: Collection[str],
    rerankers: Sequence[str],
) -> RankingSpace:
    """The parameters of a collection, as they are now, for those of the legs that can be searched.

    A reranker that is set is searched with those that are given.
    """
    summary = retriever.collection(collection)
    explained = retriever.explain(collection, query, legs=legs, max_results=1)
    weights = {leg["leg"]: leg["weight"] for leg in explained["legs"]}
    current = {
        **DEFAULTS,
        **shares(weights, list(weights)),
        **_set(summary),
        "fusion": explained["fusion"],
        "rrf_k": explained["rrf_k"],
    }
    current_reranker = current["reranker"]
    known = dict.fromkeys([*rerankers, *([current_reranker] if current_reranker else [])])
    return RankingSpace(list(weights), list(known), current)


def _set(summary: CollectionSummary) -> dict[str, Any]:
    """The parameters that were set for the collection."""
    ranking, fields = summary.ranking or {}, summary.field_weights or {}
    found: dict[str, Any] = {
        name: ranking[name] for name in ("candidates", "k1", "b") if name in ranking
    }
    found |= {name: fields[name] for name in FIELDS if name in fields}
    if "mmr_lambda" in ranking:
        found |= {"diverse": ranking["mmr_lambda"] < 1, "mmr_lambda": ranking["mmr_lambda"]}
    if rerank := ranking.get("rerank"):
        found["reranker"] = rerank["model"]
        if "candidates" in rerank:
            found["rerank_candidates"] = rerank["candidates"]
    return found
