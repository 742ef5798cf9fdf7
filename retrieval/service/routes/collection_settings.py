"""How a collection is cut, ranked and weighed."""

from fastapi import APIRouter

from retrieval import chunking
from retrieval.service.collection_schemas import (
    Calibrate,
    Calibration,
    Chunking,
    FieldWeights,
    Ranking,
)
from retrieval.service.dependencies import Administering, CollectionName
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import StrictRoute

COLLECTION = "/v1/collections/{name}"
PROBLEMS = problem_responses(404, 409, 413, 415)

router = APIRouter(tags=["collections"], route_class=StrictRoute)


@router.put(
    COLLECTION + "/ranking",
    status_code=204,
    operation_id="set_ranking",
    summary="Set how searches rank",
    responses=PROBLEMS,
)
async def set_ranking(name: CollectionName, body: Ranking, retriever: Administering) -> None:
    """Set what searches rank by unless they say otherwise; {} returns to the defaults."""
    given = body.model_dump()
    if body.rerank is not None:
        given["rerank"] = body.rerank.model_dump(exclude_none=True)
    await retriever.set_ranking(name, **given)


@router.put(
    COLLECTION + "/field-weights",
    status_code=204,
    operation_id="set_field_weights",
    summary="Set what words count by field",
    responses=PROBLEMS,
)
async def set_field_weights(
    name: CollectionName, body: FieldWeights, retriever: Administering
) -> None:
    """Set what words in title and context count; {} returns to the default."""
    await retriever.set_field_weights(name, body.model_dump(exclude_none=True) or None)


@router.put(
    COLLECTION + "/chunking",
    status_code=204,
    operation_id="set_chunking",
    summary="Set how documents are cut",
    responses=PROBLEMS,
)
async def set_chunking(name: CollectionName, body: Chunking, retriever: Administering) -> None:
    """Set how documents are cut, from the next time each is stored; {} returns to the default."""
    chosen = chunking.Chunking(**body.model_dump())
    await retriever.set_chunking(name, None if chosen == chunking.Chunking() else chosen)


@router.post(
    COLLECTION + "/calibrate",
    operation_id="calibrate",
    summary="Calibrate a space",
    responses=PROBLEMS,
)
async def calibrate(name: CollectionName, body: Calibrate, retriever: Administering) -> Calibration:
    """Find what a dense space should count beside the words, and let searches use it."""
    found = await retriever.calibrate(name, body.space, sample=body.sample, store=body.store)
    return Calibration.model_validate(found)
