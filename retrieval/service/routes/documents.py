"""Documents: list, put, read, delete; each under its key."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.convertors import Convertor, register_url_convertor

from retrieval.document import Document as GivenDocument
from retrieval.errors import InvalidInput, NotFound
from retrieval.service.conditions import IfMatch, IfNoneMatch, condition, entity_tag, is_known
from retrieval.service.cursor import After, Limit, cursor, place
from retrieval.service.dependencies import CollectionName, DocumentKey, Reading, Writing
from retrieval.service.document_schemas import (
    Document,
    DocumentPage,
    DocumentSummary,
    NewDocument,
    PutDocument,
)
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import StrictRoute, parse_json


class DocumentKeyConvertor(Convertor[str]):
    """The rest of the path, as Starlette's `path`, but not empty and with line breaks."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("document_key", DocumentKeyConvertor())

DOCUMENTS = "/v1/collections/{name}/documents"
DOCUMENT = DOCUMENTS + "/{key:document_key}"

ETAG: dict[str, Any] = {
    "ETag": {
        "description": "Another one after every change; for If-Match and If-None-Match.",
        "schema": {"type": "string"},
    }
}

router = APIRouter(tags=["documents"], route_class=StrictRoute)


@router.get(
    DOCUMENTS,
    operation_id="list_documents",
    summary="List documents",
    responses=problem_responses(404),
)
async def list_documents(
    name: CollectionName,
    retriever: Reading,
    limit: Limit = 100,
    after: After = None,
    metadata_filter: Annotated[
        str | None,
        Query(
            description="Conditions on metadata, as JSON: those of a search.",
            examples=['{"year": {"$gte": 2022}}'],
        ),
    ] = None,
) -> DocumentPage:
    """The documents of a collection by their keys, a page at a time, without their content."""
    place_after = place("documents", after, [str])
    found = await retriever.documents(
        name,
        metadata_filter=None if metadata_filter is None else _filter(metadata_filter),
        after=None if place_after is None else place_after[0],
        max_results=limit + 1,
    )
    shown = found[:limit]
    more = len(found) > limit
    return DocumentPage(
        documents=[DocumentSummary.model_validate(each) for each in shown],
        next=cursor("documents", shown[-1].document_key) if more else None,
    )


@router.put(
    DOCUMENT,
    operation_id="put_document",
    summary="Store a document",
    response_description="Updated, or unchanged",
    responses={
        201: {"model": PutDocument, "description": "Added"},
        **problem_responses(404, 409, 412, 413, 415),
    },
)
async def put_document(
    name: CollectionName,
    key: DocumentKey,
    body: NewDocument,
    retriever: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> PutDocument:
    """Store a document under its key, replacing what was there; it can be searched at once.

    The same document twice costs nothing the second time. With If-Match or If-None-Match, it is
    stored only if nobody has changed what is there; of several who try at once, one succeeds.
    """
    document = GivenDocument(key=key, **body.model_dump())
    expected = condition(if_match, if_none_match)
    (outcome,) = await retriever.put_documents(name, [document], condition=expected)
    if outcome.status == "failed":
        raise InvalidInput(f"the document was not stored: {outcome.reason}")
    if outcome.status == "added":
        response.status_code = 201
    return PutDocument(document_key=key, status=outcome.status, chunks=outcome.chunks)


@router.get(
    DOCUMENT,
    operation_id="get_document",
    summary="Read a document",
    response_model=Document,
    responses={
        200: {"headers": ETAG},
        304: {"description": "Not modified: If-None-Match names its ETag", "headers": ETAG},
        **problem_responses(404),
    },
)
async def get_document(
    name: CollectionName,
    key: DocumentKey,
    retriever: Reading,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> Any:
    """A document as it is stored."""
    document = await retriever.get_document(name, key)
    tag = {"ETag": entity_tag(document.version)}
    if is_known(document.version, if_none_match):
        return Response(status_code=304, headers=tag)
    response.headers.update(tag)
    return document


@router.delete(
    DOCUMENT,
    status_code=204,
    operation_id="delete_document",
    summary="Delete a document",
    responses=problem_responses(404, 412),
)
async def delete_document(
    name: CollectionName, key: DocumentKey, retriever: Writing, if_match: IfMatch = None
) -> None:
    """Delete a document with its chunks and embeddings."""
    if not await retriever.delete_document(name, key, condition=condition(if_match, None)):
        raise NotFound(f"document {key} does not exist in collection {name}")


def _filter(text: str) -> dict[str, Any]:
    try:
        given = parse_json(text.encode("utf-8"), "metadata_filter")
    except ValueError as error:
        raise InvalidInput(f"metadata_filter is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidInput('metadata_filter must be an object such as {"year": 2026}')
    return given
