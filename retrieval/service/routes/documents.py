"""Documents: put, read, delete; each under its key."""

from typing import Literal

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.convertors import Convertor, register_url_convertor

from retrieval import database, orm
from retrieval.document import Document as GivenDocument
from retrieval.errors import InvalidInput, NotFound
from retrieval.search import AsyncRetriever
from retrieval.service.dependencies import CollectionName, DocumentKey, Reading, Writing
from retrieval.service.problems import problem_responses
from retrieval.service.schemas import Document, NewDocument, PutDocument
from retrieval.service.strict_route import StrictRoute


class DocumentKeyConvertor(Convertor[str]):
    """The rest of the path, as Starlette's `path`, but not empty and with line breaks."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("document_key", DocumentKeyConvertor())

PATH = "/v1/collections/{name}/documents/{key:document_key}"

router = APIRouter(tags=["documents"], route_class=StrictRoute)


@router.put(
    PATH,
    operation_id="put_document",
    summary="Store a document",
    response_description="Updated, or unchanged",
    responses={
        201: {"model": PutDocument, "description": "Added"},
        **problem_responses(400, 404, 409, 413, 415, 422),
    },
)
async def put_document(
    name: CollectionName,
    key: DocumentKey,
    body: NewDocument,
    retriever: Writing,
    response: Response,
) -> PutDocument:
    """Store a document under its key, replacing what was there; it can be searched at once.

    The same document twice costs nothing the second time.
    """
    report = await retriever.ingest(name, GivenDocument(key=key, **body.model_dump()))
    if report.failures:
        raise InvalidInput(f"the document was not stored: {report.failures[0].reason}")
    if report.added:
        response.status_code = 201
    status: Literal["added", "updated", "unchanged"] = (
        "added" if report.added else "updated" if report.updated else "unchanged"
    )
    return PutDocument(document_key=key, status=status, chunks=report.chunks)


@router.get(
    PATH,
    operation_id="get_document",
    summary="Read a document",
    responses=problem_responses(400, 404, 422),
)
async def get_document(name: CollectionName, key: DocumentKey, retriever: Reading) -> Document:
    """A document as it is stored."""
    return Document.model_validate(await _stored_document(retriever, name, key))


@router.delete(
    PATH,
    status_code=204,
    operation_id="delete_document",
    summary="Delete a document",
    responses=problem_responses(400, 404, 422),
)
async def delete_document(name: CollectionName, key: DocumentKey, retriever: Writing) -> None:
    """Delete a document with its chunks and embeddings."""
    if not await retriever.delete(name, [key]):
        raise _no_document(name, key)


async def _stored_document(retriever: AsyncRetriever, name: str, key: str) -> orm.Document:
    with database.translate_errors():
        async with AsyncSession(retriever.engine) as session:
            # the id first: with it as a value, only this collection's partition is read
            owner = await session.scalar(
                select(orm.Collection.collection_id).where(orm.Collection.name == name)
            )
            if owner is None:
                raise NotFound(f"collection {name} does not exist")
            document = await session.scalar(
                select(orm.Document).where(
                    orm.Document.collection_id == owner,
                    orm.Document.document_key == key,
                    orm.of_current_tenant(orm.Document),
                )
            )
    if document is None:
        raise _no_document(name, key)
    return document


def _no_document(name: str, key: str) -> NotFound:
    return NotFound(f"document {key} does not exist in collection {name}")
