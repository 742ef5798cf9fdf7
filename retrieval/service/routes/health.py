"""Whether the service lives, and whether it can work."""

from fastapi import APIRouter

from retrieval import database
from retrieval.service.dependencies import OpenRetriever
from retrieval.service.problems import problem_responses
from retrieval.service.schemas import Health
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["health"], route_class=StrictRoute)


@router.get("/healthz", operation_id="health", summary="Whether the process is alive")
async def health() -> Health:
    """Answers without asking the database."""
    return Health(status="alive")


@router.get(
    "/readyz",
    operation_id="readiness",
    summary="Whether requests can be served",
    responses=problem_responses(),
)
async def readiness(retriever: OpenRetriever) -> Health:
    """Answers once the database has, and its schema is the one that is needed."""
    with database.translate_errors():
        async with retriever.engine.connect() as connection:
            await connection.run_sync(database.check_schema)
    return Health(status="ready")
