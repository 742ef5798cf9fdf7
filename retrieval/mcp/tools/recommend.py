"""The tool recommend."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from retrieval.mcp.access import Access
from retrieval.mcp.found import FoundChunks, found_chunks, found_text
from retrieval.mcp.tool import Arguments, Tool
from retrieval.mcp.tools.arguments import ChunkId, CollectionName, MaxResults, MetadataFilter

Chunks = Annotated[list[ChunkId], Field(max_length=100)]
Keys = Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=100)]


class RecommendArguments(Arguments):
    """Examples, of chunks or of documents."""

    collection: CollectionName = None
    like_chunks: Chunks = Field(default=[], description="chunk_ids to find more like.")
    unlike_chunks: Chunks = Field(default=[], description="chunk_ids to keep away from.")
    like_documents: Keys = Field(default=[], description="document_keys to find more like.")
    unlike_documents: Keys = Field(default=[], description="document_keys to keep away from.")
    max_results: MaxResults = 8
    metadata_filter: MetadataFilter = None

    @model_validator(mode="after")
    def _examples_of_one_kind(self) -> Self:
        by_chunks = bool(self.like_chunks or self.unlike_chunks)
        if by_chunks and (self.like_documents or self.unlike_documents):
            raise ValueError("give chunks or documents as examples, not both")
        if not self.like_chunks and not self.like_documents:
            raise ValueError("like_chunks or like_documents must be given")
        return self


async def _run(access: Access, arguments: RecommendArguments) -> FoundChunks:
    collection = await access.collection(arguments.collection)
    if arguments.like_chunks:
        hits = await access.retriever.recommend(
            collection,
            arguments.like_chunks,
            arguments.unlike_chunks,
            metadata_filter=arguments.metadata_filter,
            max_results=arguments.max_results,
        )
    else:
        hits = await access.retriever.recommend_documents(
            collection,
            arguments.like_documents,
            arguments.unlike_documents,
            metadata_filter=arguments.metadata_filter,
            max_results=arguments.max_results,
        )
    return found_chunks(collection, hits)


recommend = Tool(
    name="recommend",
    title="Recommend",
    description="Finds what is like given examples and unlike others, by meaning: more chunks like "
    "some chunks (by chunk_id), or more documents like some documents (by document_key), each "
    "shown by its best chunk. The examples themselves are not among the hits.",
    arguments=RecommendArguments,
    result=FoundChunks,
    run=_run,
    text=found_text,
)
