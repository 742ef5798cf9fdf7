"""Files: sent as a form, stored as the documents in them."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from retrieval.errors import InvalidInput
from retrieval.service.dependencies import CollectionName, Writing
from retrieval.service.document_schemas import UploadResult
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import UploadRoute, parse_json
from retrieval.service.uploads import put_files

router = APIRouter(tags=["documents"], route_class=UploadRoute)


class Upload(BaseModel):
    """Files, and what is to be known of all of them."""

    model_config = ConfigDict(extra="forbid")

    files: list[UploadFile] = Field(
        min_length=1, max_length=1000, description="The files; what each is, its suffix says."
    )
    metadata: str | None = Field(
        default=None,
        description="Metadata of every document in them, as a JSON object.",
        examples=['{"team": "security"}'],
    )


@router.post(
    "/v1/collections/{name}/files",
    operation_id="put_files",
    summary="Store files",
    responses=problem_responses(404, 409, 413, 415),
)
async def put_files_route(
    name: CollectionName,
    retriever: Writing,
    form: Annotated[Upload, Form(media_type="multipart/form-data")],
) -> UploadResult:
    """Store the documents in files, each under the name of its file: what cannot be read is named.

    A file of records, such as CSV or JSON lines, holds a document for each.
    """
    metadata = _metadata(form.metadata)
    await retriever.documents(name, max_results=1)  # before any file is read
    return UploadResult(results=await put_files(retriever, name, form.files, metadata))


def _metadata(text: str | None) -> dict[str, Any]:
    if text is None or not text.strip():
        return {}
    try:
        given = parse_json(text.encode("utf-8", "replace"), "metadata")
    except ValueError as error:
        raise InvalidInput(f"metadata is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidInput('metadata must be an object such as {"team": "security"}')
    return given
