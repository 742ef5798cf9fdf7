"""The tool search."""

from typing import Annotated, Literal

from pydantic import Field

from retrieval.mcp.access import Access
from retrieval.mcp.found import FoundChunks, found_chunks, found_text
from retrieval.mcp.tool import Arguments, Tool
from retrieval.mcp.tools.arguments import CollectionName, MaxResults, MetadataFilter, Query


class SearchArguments(Arguments):
    """What to search for, and where."""

    query: Annotated[
        Query,
        Field(
            description="A question or words. A phrase in double quotes must occur as it is, a "
            "word after a minus must not, `or` and prefix* work too.",
            examples=["how do I rotate a key?"],
        ),
    ]
    collection: CollectionName = None
    max_results: MaxResults = 8
    metadata_filter: MetadataFilter = None
    legs: list[Literal["keyword", "semantic", "sparse", "late_interaction"]] = Field(
        default=["keyword", "semantic"],
        min_length=1,
        description="By what to search: keyword for exact words, names and codes, semantic for "
        "meaning; both together, which is the default, suit most questions. sparse and "
        "late_interaction need a space of their kind.",
    )


async def _run(access: Access, arguments: SearchArguments) -> FoundChunks:
    collection = await access.collection(arguments.collection)
    hits = await access.retriever.search(
        collection,
        arguments.query,
        max_results=arguments.max_results,
        metadata_filter=arguments.metadata_filter,
        legs=arguments.legs,
    )
    return found_chunks(collection, hits)


search = Tool(
    name="search",
    title="Search",
    description="Finds the pieces of documents that fit a question best, by exact words and by "
    "meaning, best first. Each hit has its text, the document_key to cite it by, and the chunk_id "
    "that read_document takes to show what stands around it. Hits are the best there are, not "
    "always answers: read them before you rely on them, and ask again in other words where they "
    "do not fit.",
    arguments=SearchArguments,
    result=FoundChunks,
    run=_run,
    text=found_text,
)
