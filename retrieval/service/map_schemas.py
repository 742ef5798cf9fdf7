"""The bodies of maps."""

from typing import Annotated, Any, Literal

from pydantic import Field

from retrieval.service.schemas import RequestBody, ResponseBody
from retrieval.service.search_schemas import FILTER, ChunkId, Count, Name


class MapBody(RequestBody):
    """What a map shows."""

    query: str | None = Field(
        default=None,
        description="What is looked for: it and its hits are on the map.",
        examples=["how do I rotate a key?"],
    )
    chunk_ids: Annotated[list[ChunkId], Field(max_length=10_000)] | None = Field(
        default=None,
        description="The hits, where another search found them; without them the query's.",
        examples=[[1041, 1042]],
    )
    color_by: Name | None = Field(
        default=None,
        description="Metadata key whose values are told with the points.",
        examples=["team"],
    )
    max_points: Count = Field(
        default=2000, description="How many chunks are drawn at most, beside the hits."
    )
    max_results: Count = Field(default=10, description="How many hits the query has at most.")
    metadata_filter: dict[str, Any] | None = Field(
        default=None, description=FILTER, examples=[{"year": {"$gte": 2022}}]
    )
    space: Name | None = Field(
        default=None,
        description="The dense space that is drawn; without one, the active one.",
        examples=["all-MiniLM-L6-v2"],
    )
    method: Literal["pca"] = Field(
        default="pca", description="How many dimensions become two: their principal components."
    )


class MapPoint(ResponseBody):
    """A chunk on a map."""

    chunk_id: int = Field(description="The chunk.", examples=[1041])
    document_key: str = Field(description="Its document's key.", examples=["guides/keys.md"])
    title: str | None = Field(description="The document's title.", examples=["Rotating keys"])
    position: int = Field(description="Where in its document, from 0.", examples=[2])
    beginning: str = Field(
        description="How its text begins.", examples=["To rotate a key, first issue a new one."]
    )
    x: float = Field(description="Along the first axis.", examples=[0.21])
    y: float = Field(description="Along the second axis.", examples=[-0.04])
    value: Any = Field(
        description="What it has under color_by, of an array the first; null: nothing.",
        examples=["security"],
    )


class MapColor(ResponseBody):
    """What the values under color_by are."""

    key: str = Field(description="The metadata key.", examples=["team"])
    kind: Literal["category", "number"] = Field(
        description="number where there are many values, all of them numbers.",
        examples=["category"],
    )
    values: list[tuple[Any, int]] = Field(
        description="Of a category the commonest values, each with its points.",
        examples=[[["security", 31]]],
    )
    others: int = Field(description="Points with another value.", examples=[4])
    missing: int = Field(description="Points without a value.", examples=[0])
    minimum: float | None = Field(description="The smallest number.", examples=[None])
    maximum: float | None = Field(description="The largest number.", examples=[None])


class ChunkMap(ResponseBody):
    """Chunks in two dimensions."""

    space: str = Field(description="The space.", examples=["all-MiniLM-L6-v2"])
    method: str = Field(description="How it was drawn.", examples=["pca"])
    points: list[MapPoint] = Field(description="The sample, then hits that are not in it.")
    query: tuple[float, float] | None = Field(
        description="Where the query is; null without one.", examples=[[0.2, -0.1]]
    )
    hits: list[int] = Field(
        description="The chunks that were found and are on the map, best first.",
        examples=[[1041, 1042]],
    )
    explained_variance: tuple[float, float] = Field(
        description="The share of the sample's variance along each axis.", examples=[[0.12, 0.08]]
    )
    color: MapColor | None = Field(description="What color_by holds; null without a key.")
