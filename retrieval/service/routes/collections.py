"""Collections: list, read, create, drop."""

from fastapi import APIRouter

from retrieval.embedding import create_embedder
from retrieval.service.dependencies import Administering, CollectionName, Reading
from retrieval.service.problems import problem_responses
from retrieval.service.schemas import Collection, CollectionList, CreatedCollection, NewCollection
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["collections"], route_class=StrictRoute)


@router.get(
    "/v1/collections",
    operation_id="list_collections",
    summary="List the collections",
    responses=problem_responses(),
)
async def list_collections(retriever: Reading) -> CollectionList:
    """Every collection with its size and model, by name."""
    found = await retriever.collections()
    return CollectionList(collections=[Collection.model_validate(each) for each in found])


@router.post(
    "/v1/collections",
    status_code=201,
    operation_id="create_collection",
    summary="Create a collection",
    responses=problem_responses(409, 413, 415),
)
async def create_collection(body: NewCollection, retriever: Administering) -> CreatedCollection:
    """Create a collection, ready to be filled and searched."""
    embedder = create_embedder(body.model) if body.model is not None else None
    await retriever.create_collection(body.name, embedder=embedder, text_config=body.text_config)
    return CreatedCollection.model_validate(body)


@router.get(
    "/v1/collections/{name}",
    operation_id="get_collection",
    summary="Read a collection",
    responses=problem_responses(404),
)
async def get_collection(name: CollectionName, retriever: Reading) -> Collection:
    """A collection with its size, its model and its settings."""
    return Collection.model_validate(await retriever.collection(name))


@router.delete(
    "/v1/collections/{name}",
    status_code=204,
    operation_id="drop_collection",
    summary="Drop a collection",
    responses=problem_responses(404),
)
async def drop_collection(name: CollectionName, retriever: Administering) -> None:
    """Remove a collection with everything in it."""
    await retriever.drop_collection(name)
