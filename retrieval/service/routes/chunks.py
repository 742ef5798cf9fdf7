"""Chunks: a page of them, or one with those around it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from retrieval.service.cursor import MOST_BIGINT, After, Limit, cursor, place
from retrieval.service.dependencies import CollectionName, Reading
from retrieval.service.document_schemas import Chunk, ChunkPage
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["chunks"], route_class=StrictRoute)

Around = Annotated[int, Query(ge=0, le=100, description="How many more to that side.")]


@router.get(
    "/v1/collections/{name}/chunks",
    operation_id="list_chunks",
    summary="List chunks",
    responses=problem_responses(404),
)
async def list_chunks(
    name: CollectionName,
    retriever: Reading,
    document_key: Annotated[
        str | None,
        Query(
            min_length=1,
            description="The document whose chunks they are.",
            examples=["guides/keys.md"],
        ),
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> ChunkPage:
    """The chunks of a collection or of one document, by document and position."""
    last = place("chunks", after, [int, int])
    found = await retriever.chunks(
        name,
        document_key=document_key,
        after=None if last is None else (last[0], last[1]),
        max_results=limit + 1,
    )
    shown = found[:limit]
    more = len(found) > limit
    return ChunkPage(
        chunks=[Chunk.model_validate(each) for each in shown],
        next=cursor("chunks", shown[-1].document_id, shown[-1].position) if more else None,
    )


@router.get(
    "/v1/collections/{name}/chunks/{chunk_id}",
    operation_id="get_chunk",
    summary="Read a chunk among its neighbours",
    responses=problem_responses(404),
)
async def get_chunk(
    name: CollectionName,
    chunk_id: Annotated[int, Path(ge=1, le=MOST_BIGINT, description="The chunk.", examples=[1041])],
    retriever: Reading,
    before: Around = 0,
    after: Around = 0,
) -> ChunkPage:
    """A chunk and those around it in its document, in order of position."""
    found = await retriever.neighbouring_chunks(
        chunk_id, before=before, after=after, collection=name
    )
    return ChunkPage(chunks=[Chunk.model_validate(each) for each in found], next=None)
