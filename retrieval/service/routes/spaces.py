"""Spaces: what there is, and which of them is searched.

Filling a space, building its index and moving to another model take long: a worker and the command
line do that.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from retrieval.embedding import create_embedder
from retrieval.errors import NotFound
from retrieval.search import AsyncRetriever
from retrieval.service.collection_schemas import (
    IndexProgress,
    NewSpace,
    Rollback,
    RolledBack,
    Space,
    SpaceDetails,
    SpaceList,
)
from retrieval.service.dependencies import Administering, CollectionName, Reading
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import StrictRoute
from retrieval.spaces.summary import SpaceSummary

SPACES = "/v1/collections/{name}/spaces"
SPACE = SPACES + "/{space}"

router = APIRouter(tags=["spaces"], route_class=StrictRoute)

SpaceName = Annotated[str, Path(description="The space's name.", examples=["all-MiniLM-L6-v2"])]


@router.get(
    SPACES, operation_id="list_spaces", summary="List spaces", responses=problem_responses(404)
)
async def list_spaces(name: CollectionName, retriever: Reading) -> SpaceList:
    """The spaces of a collection with their states and counts, active ones first."""
    found = await _summaries(retriever, name)
    return SpaceList(spaces=[Space.model_validate(each) for each in found])


@router.get(
    SPACE, operation_id="get_space", summary="Read a space", responses=problem_responses(404)
)
async def get_space(name: CollectionName, space: SpaceName, retriever: Reading) -> SpaceDetails:
    """A space with its state and counts, and how far its index is while that is built."""
    summary = await _summary(retriever, name, space)
    progress = await retriever.spaces.index_progress(name, space)
    return SpaceDetails(
        **Space.model_validate(summary).model_dump(),
        index_progress=None if progress is None else IndexProgress.model_validate(progress),
    )


@router.post(
    SPACES,
    status_code=201,
    operation_id="create_space",
    summary="Create a space",
    responses=problem_responses(404, 409, 413, 415),
)
async def create_space(name: CollectionName, body: NewSpace, retriever: Administering) -> Space:
    """Create a space for another model; a worker fills it, and it can be activated then."""
    await retriever.documents(name, max_results=1)  # without the collection no model is loaded
    options = body.model_dump(exclude={"model", "kind"})
    embedder = create_embedder(body.model, kind=body.kind)
    created = await retriever.spaces.create(name, embedder, **options)
    return Space.model_validate(await _summary(retriever, name, created))


@router.post(
    SPACES + "/rollback",
    operation_id="rollback_space",
    summary="Return to the space before",
    responses=problem_responses(404, 409, 413, 415),
)
async def rollback_space(
    name: CollectionName, body: Rollback, retriever: Administering
) -> RolledBack:
    """Make the space that was active before the active one again."""
    former = await retriever.spaces.rollback(name, kind=body.kind, modality=body.modality)
    return RolledBack(space=former)


@router.post(
    SPACE + "/activate",
    status_code=204,
    operation_id="activate_space",
    summary="Activate a space",
    responses=problem_responses(404, 409),
)
async def activate_space(name: CollectionName, space: SpaceName, retriever: Administering) -> None:
    """Make a space the one of its kind that is searched; the former one is kept as a shadow."""
    await retriever.spaces.activate(name, space)


@router.post(
    SPACE + "/retire",
    status_code=204,
    operation_id="retire_space",
    summary="Retire a space",
    responses=problem_responses(404, 409),
)
async def retire_space(name: CollectionName, space: SpaceName, retriever: Administering) -> None:
    """Keep a space as it is, and embed no more chunks for it."""
    await retriever.spaces.retire(name, space)


@router.post(
    SPACE + "/resume",
    status_code=204,
    operation_id="resume_space",
    summary="Resume a space",
    responses=problem_responses(404, 409),
)
async def resume_space(name: CollectionName, space: SpaceName, retriever: Administering) -> None:
    """Embed new chunks for a retired space again."""
    await retriever.spaces.resume(name, space)


@router.delete(
    SPACE,
    status_code=204,
    operation_id="drop_space",
    summary="Drop a space",
    responses=problem_responses(404, 409),
)
async def drop_space(
    name: CollectionName,
    space: SpaceName,
    retriever: Administering,
    force: Annotated[bool, Query(description="Whether also if it is the active one.")] = False,
) -> None:
    """Remove a space with its embeddings."""
    await retriever.spaces.drop(name, space, force=force)


async def _summaries(retriever: AsyncRetriever, name: str) -> list[SpaceSummary]:
    return await retriever.spaces.summaries(name)


async def _summary(retriever: AsyncRetriever, name: str, space: str) -> SpaceSummary:
    for each in await _summaries(retriever, name):
        if each.name == space:
            return each
    raise NotFound(f"space {space} does not exist in collection {name}")
