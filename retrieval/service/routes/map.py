"""A map of a collection."""

from fastapi import APIRouter

from retrieval.service.dependencies import CollectionName, Reading
from retrieval.service.map_schemas import ChunkMap, MapBody
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["search"], route_class=StrictRoute)


@router.post(
    "/v1/collections/{name}/map",
    operation_id="map_chunks",
    summary="Map a collection",
    responses=problem_responses(400, 404, 409, 413, 415, 422),
)
async def map_chunks(name: CollectionName, body: MapBody, retriever: Reading) -> ChunkMap:
    """Chunks of a space in two dimensions, with a query and what it finds among them."""
    drawn = await retriever.map(name, **body.model_dump())
    return ChunkMap.model_validate(drawn)
