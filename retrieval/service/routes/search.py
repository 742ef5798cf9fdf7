"""Searching."""

from typing import Any

from fastapi import APIRouter

from retrieval.service.dependencies import CollectionName, Reading
from retrieval.service.found_schemas import (
    DocumentHit,
    DocumentResult,
    Explanation,
    Facet,
    Hit,
    MatchesCounted,
    SearchResult,
)
from retrieval.service.problems import problem_responses
from retrieval.service.search_schemas import (
    ChunkRecommendation,
    DocumentRecommendation,
    DocumentSearch,
    ExplainedSearch,
    MatchCount,
    Search,
)
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["search"], route_class=StrictRoute)

PROBLEMS = problem_responses(400, 404, 409, 413, 415, 422)


@router.post(
    "/v1/collections/{name}/search",
    operation_id="search",
    summary="Search a collection",
    responses=PROBLEMS,
)
async def search(name: CollectionName, body: Search, retriever: Reading) -> SearchResult:
    """The best chunks by one or several searches, fused; best first."""
    hits = await retriever.search(name, **body.arguments())
    return SearchResult(hits=[Hit.model_validate(each) for each in hits])


@router.post(
    "/v1/collections/{name}/search/explain",
    operation_id="explain_search",
    summary="Explain a search",
    response_model_exclude_unset=True,
    responses=PROBLEMS,
)
async def explain_search(
    name: CollectionName, body: ExplainedSearch, retriever: Reading
) -> Explanation:
    """How a search comes to its ranking: its legs, and for each hit what made its score."""
    return Explanation.model_validate(await retriever.explain(name, **body.arguments()))


@router.post(
    "/v1/collections/{name}/search/documents",
    operation_id="search_documents",
    summary="Search a collection for documents",
    responses=PROBLEMS,
)
async def search_documents(
    name: CollectionName, body: DocumentSearch, retriever: Reading
) -> DocumentResult:
    """The best documents by their chunks, each once; best first."""
    found = await retriever.search_documents(name, **body.arguments())
    return DocumentResult(documents=[DocumentHit.model_validate(each) for each in found])


@router.post(
    "/v1/collections/{name}/search/counts",
    operation_id="count_matches",
    summary="Count matches and their metadata",
    responses=PROBLEMS,
)
async def count_matches(
    name: CollectionName, body: MatchCount, retriever: Reading
) -> MatchesCounted:
    """How many chunks match, and how many of them have which value under metadata keys."""
    shared: dict[str, Any] = {
        "metadata_filter": body.metadata_filter,
        "keyword_operator": body.keyword_operator,
    }
    facets = await retriever.facets(
        name,
        body.keys,
        body.query,
        max_values=body.max_values,
        chunk_ids=body.chunk_ids,
        **shared,
    )
    matches = None
    if body.query is not None:
        matches = await retriever.count_matches(name, body.query, exact=body.exact, **shared)
    return MatchesCounted(matches=matches, facets=[Facet.model_validate(each) for each in facets])


@router.post(
    "/v1/collections/{name}/recommend",
    operation_id="recommend",
    summary="Recommend chunks",
    responses=PROBLEMS,
)
async def recommend(
    name: CollectionName, body: ChunkRecommendation, retriever: Reading
) -> SearchResult:
    """The chunks most like some chunks, and unlike others; best first."""
    hits = await retriever.recommend(name, **body.model_dump())
    return SearchResult(hits=[Hit.model_validate(each) for each in hits])


@router.post(
    "/v1/collections/{name}/recommend/documents",
    operation_id="recommend_documents",
    summary="Recommend documents",
    responses=PROBLEMS,
)
async def recommend_documents(
    name: CollectionName, body: DocumentRecommendation, retriever: Reading
) -> SearchResult:
    """The documents most like some documents, and unlike others, each by its best chunk."""
    hits = await retriever.recommend_documents(name, **body.model_dump())
    return SearchResult(hits=[Hit.model_validate(each) for each in hits])
