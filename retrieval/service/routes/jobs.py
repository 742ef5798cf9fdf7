"""Jobs: what waits for a worker, and what it could not do."""

from typing import Annotated

from fastapi import APIRouter, Query

from retrieval.service.collection_schemas import (
    FailedJob,
    FailedJobList,
    JobCounts,
    JobList,
    RetriedJobs,
    RetryJobs,
)
from retrieval.service.dependencies import Administering, CollectionName, Reading
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import StrictRoute

JOBS = "/v1/collections/{name}/jobs"

router = APIRouter(tags=["jobs"], route_class=StrictRoute)


@router.get(JOBS, operation_id="list_jobs", summary="Count jobs", responses=problem_responses(404))
async def list_jobs(name: CollectionName, retriever: Reading) -> JobList:
    """The spaces for which chunks wait for a worker, or were embedded by one of late."""
    found = await retriever.jobs(name)
    return JobList(jobs=[JobCounts.model_validate(each) for each in found])


@router.get(
    JOBS + "/failed",
    operation_id="list_failed_jobs",
    summary="List failed jobs",
    responses=problem_responses(404),
)
async def list_failed_jobs(
    name: CollectionName,
    retriever: Reading,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
) -> FailedJobList:
    """Chunks that workers could not embed, and why."""
    found = await retriever.failed_jobs(name, max_results=limit)
    return FailedJobList(failed=[FailedJob.model_validate(each) for each in found])


@router.post(
    JOBS + "/retry",
    operation_id="retry_jobs",
    summary="Retry failed jobs",
    responses=problem_responses(404, 413, 415),
)
async def retry_jobs(
    name: CollectionName, body: RetryJobs, retriever: Administering
) -> RetriedJobs:
    """Let workers try again what failed."""
    return RetriedJobs(jobs=await retriever.retry_jobs(name, body.space))
