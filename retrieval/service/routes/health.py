"""Whether the service lives, whether it can work, and how it does."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from retrieval.service.dependencies import Administering, OpenRetriever
from retrieval.service.problems import problem_response, problem_responses
from retrieval.service.readiness import NotServing, checks
from retrieval.service.schemas import Health, Readiness
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
    response_model=Readiness,
    responses=problem_responses(),
)
async def readiness(request: Request, retriever: OpenRetriever) -> Readiness | Response:
    """Database, schema, model and indexes; the detail of a problem begins with what is missing."""
    try:
        found = await checks(retriever, request.app.state.operations)
    except NotServing as missing:
        return problem_response(missing.kind, missing.detail, request.scope)
    return Readiness(status="ready", checks=found)


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "The figures as text."}},
)
async def metrics(request: Request, retriever: Administering) -> Response:
    """Latencies, queues, caches and connections, without any name that a user chose."""
    operations = request.app.state.operations
    await operations.backlog.refresh(retriever)
    return Response(generate_latest(operations.metrics.registry), media_type=CONTENT_TYPE_LATEST)
