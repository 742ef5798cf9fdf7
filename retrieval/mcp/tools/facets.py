"""The tool facets."""

import json
from typing import Annotated, Any

from pydantic import Field

from retrieval.mcp.access import Access
from retrieval.mcp.tool import Arguments, Result, Tool
from retrieval.mcp.tools.arguments import CollectionName, MetadataFilter, Query

VALUE_CHARACTERS = 200


class FacetArguments(Arguments):
    """Which keys, among which documents."""

    keys: Annotated[
        list[Annotated[str, Field(min_length=1)]],
        Field(min_length=1, max_length=20, description="Metadata keys.", examples=[["team"]]),
    ]
    collection: CollectionName = None
    query: Annotated[Query | None, Field(description="Count only what these words match.")] = None
    metadata_filter: MetadataFilter = None
    max_values: Annotated[
        int, Field(ge=1, le=100, description="How many values of each key at most.")
    ] = 10


class FacetValue(Result):
    """A value, and how often it is there."""

    key: str = Field(description="The metadata key.")
    value: Any = Field(description="A value under it, for a metadata_filter.")
    documents: int = Field(description="How many documents have it.")


class FacetValues(Result):
    """By key, the commonest values first."""

    facets: list[FacetValue]


async def _run(access: Access, arguments: FacetArguments) -> FacetValues:
    found = await access.retriever.facets(
        await access.collection(arguments.collection),
        arguments.keys,
        arguments.query,
        metadata_filter=arguments.metadata_filter,
        max_values=arguments.max_values,
    )
    short = [each for each in found if len(str(each.value)) <= VALUE_CHARACTERS]
    return FacetValues(facets=[FacetValue.model_validate(each) for each in short])


def _text(result: FacetValues) -> str:
    lines = [
        f"{each.key} = {json.dumps(each.value, ensure_ascii=False)}: {each.documents} documents"
        for each in result.facets
    ]
    return "\n".join(lines) or "Nothing has these keys."


facets = Tool(
    name="facets",
    title="Values of metadata",
    description="Shows which values documents have under metadata keys and how many have each, the "
    "commonest first: what a metadata_filter can ask for. The keys are those that the metadata of "
    "hits shows.",
    arguments=FacetArguments,
    result=FacetValues,
    run=_run,
    text=_text,
)
