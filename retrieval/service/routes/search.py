"""Searching."""

from fastapi import APIRouter

from retrieval.service.dependencies import CollectionName, OpenRetriever
from retrieval.service.problems import problem_responses
from retrieval.service.schemas import Hit, Search, SearchResult
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["search"], route_class=StrictRoute)


@router.post(
    "/v1/collections/{name}/search",
    operation_id="search",
    summary="Search a collection",
    responses=problem_responses(400, 404, 409, 413, 415, 422),
)
async def search(name: CollectionName, body: Search, retriever: OpenRetriever) -> SearchResult:
    """The best chunks by keyword and semantic search, fused; best first."""
    hits = await retriever.search(name, **body.model_dump())
    return SearchResult(hits=[Hit.model_validate(each) for each in hits])
