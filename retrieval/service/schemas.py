"""The bodies of requests and responses; those of searches have modules of their own."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# what a halfvec can hold
Component = Annotated[float, Field(ge=-65504, le=65504)]
Vector = Annotated[list[Component], Field(min_length=1, max_length=4000)]


class RequestBody(BaseModel):
    """A request: fields are of their type, and unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ResponseBody(BaseModel):
    """A response, made from an object with the same attributes."""

    model_config = ConfigDict(from_attributes=True)


class NewCollection(RequestBody):
    """A collection to be created."""

    name: str = Field(
        min_length=1, max_length=200, description="Unique; no slash.", examples=["handbook"]
    )
    text_config: str = Field(
        default="english",
        description="Text-search configuration of its documents.",
        examples=["english", "german", "simple"],
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        description="Embedding model; without one, that of the service.",
        examples=["sentence-transformers/all-MiniLM-L6-v2"],
    )


class CreatedCollection(ResponseBody):
    """A collection that was created."""

    name: str = Field(description="Its name.", examples=["handbook"])
    text_config: str = Field(description="Its text-search configuration.", examples=["english"])


class Collection(ResponseBody):
    """A collection with its size and the model of its active space."""

    name: str = Field(description="Its name.", examples=["handbook"])
    text_config: str = Field(description="Its text-search configuration.", examples=["english"])
    documents: int = Field(description="How many documents it holds.", examples=[120])
    chunks: int = Field(description="How many chunks they are cut into.", examples=[980])
    space: str | None = Field(description="Its active space.", examples=["all-MiniLM-L6-v2"])
    model: str | None = Field(
        description="The space's model.", examples=["sentence-transformers/all-MiniLM-L6-v2"]
    )
    dimensions: int | None = Field(description="The length of its embeddings.", examples=[384])
    chunking: dict[str, Any] | None = Field(
        description="How its documents are cut; null: in the default way.",
        examples=[{"strategy": "markdown", "maximum_tokens": 200}],
    )
    ranking: dict[str, Any] | None = Field(
        description="How searches rank unless they say otherwise; null: in the default way.",
        examples=[{"fusion": "rrf", "weights": {"semantic": 2}, "candidates": 200, "k1": 0.9}],
    )
    field_weights: dict[str, float] | None = Field(
        description="What words count in title and context; null: 1 in every field.",
        examples=[{"title": 2}],
    )


class CollectionList(ResponseBody):
    """Every collection, by name."""

    collections: list[Collection]


class Health(ResponseBody):
    """A sign of life."""

    status: Literal["alive"]


class Readiness(ResponseBody):
    """What the service needs, each part with what it says of itself."""

    status: Literal["ready"] = Field(description="That requests can be served.")
    checks: dict[str, str] = Field(
        description="The database, the revision of its schema, the model, and the indexes.",
        examples=[
            {"database": "ok", "schema": "0001_foundation", "model": "loaded", "indexes": "ok"}
        ],
    )
