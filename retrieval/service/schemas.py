"""The bodies of requests and responses; those of searches have modules of their own."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


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


class CollectionList(ResponseBody):
    """Every collection, by name."""

    collections: list[Collection]


class NewDocument(RequestBody):
    """A document's content; its key is in the path."""

    content: str = Field(
        description="The whole text.", examples=["To rotate a key, first issue a new one."]
    )
    title: str | None = Field(default=None, description="Its title.", examples=["Rotating keys"])
    source: str | None = Field(
        default=None, description="Where it comes from.", examples=["https://example.com/keys"]
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict,
        description="Any JSON object; searches filter on it.",
        examples=[{"year": 2026, "tags": ["security"]}],
    )
    text_config: str | None = Field(
        default=None,
        description="Text-search configuration, where it is not the collection's.",
        examples=["german"],
    )


class PutDocument(ResponseBody):
    """What became of a document that was sent."""

    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    status: Literal["added", "updated", "unchanged"] = Field(
        description="unchanged: what is stored is equal already.", examples=["added"]
    )
    chunks: int = Field(description="How many chunks were written.", examples=[3])


class Document(ResponseBody):
    """A document as it is stored."""

    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    title: str | None = Field(description="Its title.", examples=["Rotating keys"])
    source: str | None = Field(
        description="Where it comes from.", examples=["https://example.com/keys"]
    )
    content: str = Field(
        description="The whole text, in Unicode NFC with \\n as line end.",
        examples=["To rotate a key, first issue a new one."],
    )
    metadata: dict[str, Any] = Field(
        validation_alias="document_metadata",
        description="Its metadata.",
        examples=[{"year": 2026, "tags": ["security"]}],
    )
    text_config: str | None = Field(
        description="Its text-search configuration; null: the collection's.", examples=[None]
    )
    created_at: datetime = Field(description="When the key was stored first.")
    updated_at: datetime = Field(description="When it was last changed.")


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
