"""Many documents in one request: as JSON, or one a line and answered while they come."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.exceptions import RequestValidationError

from retrieval.service.bulk import given_document, put_in_turn, put_lines
from retrieval.service.dependencies import CollectionName, Writing
from retrieval.service.document_schemas import (
    BatchResult,
    DocumentBatch,
    DocumentOutcome,
)
from retrieval.service.ndjson import NdjsonResponse
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import NDJSON_MEDIA_TYPE, StreamRoute, content_type
from retrieval.settings import Settings

LINES: dict[str, Any] = {
    "schema": {
        "type": "string",
        "description": "One document a line, each with its key: the elements of `documents`.",
        "examples": ['{"key": "a", "content": "First."}\n{"key": "b", "content": "Second."}\n'],
    }
}
RESULTS: dict[str, Any] = {
    "schema": {
        "type": "string",
        "description": "For each line that is not blank, in their order: line, document_key, "
        "status, chunks and reason.",
        "examples": [
            '{"line": 1, "document_key": "a", "status": "added", "chunks": 1, "reason": null}\n'
        ],
    }
}

router = APIRouter(tags=["documents"], route_class=StreamRoute)


@router.post(
    "/v1/collections/{name}/documents",
    operation_id="put_documents",
    summary="Store many documents",
    response_model=BatchResult,
    openapi_extra={"requestBody": {"required": True, "content": {NDJSON_MEDIA_TYPE: LINES}}},
    responses={
        200: {"content": {NDJSON_MEDIA_TYPE: RESULTS}},
        **problem_responses(404, 409, 413, 415),
    },
)
async def put_documents(
    name: CollectionName,
    retriever: Writing,
    request: Request,
    body: Annotated[DocumentBatch, Body()] = None,  # type: ignore[assignment]
) -> Any:
    """Store documents, each by itself: what cannot be stored is named, the others are.

    As JSON lines there may be any number of them. A limit holds for each line, a line that cannot
    be read is passed over, and results are sent while documents are still coming.
    """
    if content_type(request) == NDJSON_MEDIA_TYPE:
        await retriever.documents(name, max_results=1)  # while there is a status to say it with
        limit = Settings().maximum_body_bytes
        return NdjsonResponse(put_lines(retriever, name, request.stream(), limit))
    if body is None:
        raise RequestValidationError([{"loc": ("body",), "msg": "Field required"}])
    documents = [given_document(each) for each in body.documents]
    outcomes = await put_in_turn(retriever, name, documents)
    return BatchResult(results=[DocumentOutcome.model_validate(each) for each in outcomes])
