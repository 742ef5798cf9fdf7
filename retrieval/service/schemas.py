"""The bodies of requests and responses."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Leg = Literal["keyword", "semantic"]
# what a halfvec can hold
Component = Annotated[float, Field(ge=-65504, le=65504)]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
RerankerName = Annotated[str, Field(min_length=1)]


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


class Search(RequestBody):
    """A search in one collection."""

    query: str = Field(
        description='Words, "a phrase", -not, or, prefix*.', examples=["how do I rotate a key?"]
    )
    max_results: int = Field(default=10, ge=1, le=10_000, description="How many hits at most.")
    metadata_filter: dict[str, Any] | None = Field(
        default=None,
        description="Conditions on metadata: $eq $ne $gt $gte $lt $lte $in $nin $exists $contains "
        "$prefix $and $or $not.",
        examples=[{"year": {"$gte": 2022}}],
    )
    legs: list[Leg] = Field(
        default=["keyword", "semantic"], min_length=1, description="Which searches are fused."
    )
    weights: dict[Leg, Weight] | None = Field(
        default=None,
        description="What each leg counts in the fusion; 1 where left out.",
        examples=[{"keyword": 1, "semantic": 2}],
    )
    rrf_k: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="k of reciprocal rank fusion; 60 where left out.",
        examples=[60],
    )
    candidates: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="How many chunks each leg contributes; 100 where left out.",
        examples=[100],
    )
    space: str | None = Field(
        default=None,
        description="The space to search in; without one, the active one.",
        examples=["all-MiniLM-L6-v2"],
    )
    keyword_operator: Literal["or", "and"] | None = Field(
        default=None,
        description="Whether a chunk must hold any word or every word; any where left out.",
        examples=["or"],
    )
    search_effort: int | None = Field(
        default=None,
        ge=1,
        le=32_768,
        description="How far the vector index is searched: ef_search of an HNSW index, probes of "
        "an IVFFlat index; the space's own where left out.",
        examples=[200],
    )
    query_embedding: list[Component] | None = Field(
        default=None,
        min_length=1,
        max_length=4000,
        description="The query's embedding; without one, the space's model makes it.",
        examples=[None],
    )
    rerank: bool | RerankerName | None = Field(
        default=None,
        description="Whether a reranker orders the hits again: true for that of the service, or "
        "its name: a cross-encoder, or word-overlap, which needs no model.",
        examples=[True],
    )
    rerank_candidates: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="How many hits the reranker reads, max_results at the least; where left out "
        "50, or max_results if that is more.",
        examples=[50],
    )


class Hit(ResponseBody):
    """One chunk that was found."""

    chunk_id: int = Field(description="The chunk.", examples=[1041])
    document_id: int = Field(description="Its document.", examples=[17])
    document_key: str = Field(description="The document's key.", examples=["guides/keys.md"])
    title: str | None = Field(description="The document's title.", examples=["Rotating keys"])
    position: int = Field(description="Where in its document, from 0.", examples=[2])
    content: str = Field(
        description="The chunk's text.", examples=["To rotate a key, first issue a new one."]
    )
    metadata: dict[str, Any] = Field(description="Its metadata.", examples=[{"year": 2026}])
    score: float = Field(description="Higher is better.", examples=[0.0328])
    keyword_rank: int | None = Field(
        description="Rank by keywords, from 1; null: not found so.", examples=[1]
    )
    keyword_score: float | None = Field(description="BM25 score.", examples=[7.1])
    semantic_rank: int | None = Field(
        description="Rank by embedding, from 1; null: not found so.", examples=[1]
    )
    semantic_score: float | None = Field(
        description="Similarity by the space's metric.", examples=[0.71]
    )
    rerank_score: float | None = Field(
        description="Score of the reranker, which decided over the place; null: not reranked.",
        examples=[4.2],
    )


class SearchResult(ResponseBody):
    """The chunks found, best first."""

    hits: list[Hit]


class Health(ResponseBody):
    """A sign of life."""

    status: Literal["alive", "ready"]
