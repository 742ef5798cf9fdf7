"""The bodies of golden sets, of judgements and of pools."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from retrieval.service.schemas import RequestBody, ResponseBody
from retrieval.service.search_schemas import Name

Origin = Literal["human", "synthetic", "clicks"]


class NewGoldenSet(RequestBody):
    """A golden set to be created."""

    name: str = Field(
        min_length=1,
        max_length=200,
        description="Unique in the collection; no slash.",
        examples=["default"],
    )
    origin: Origin = Field(default="human", description="Who judges.", examples=["human"])
    description: str | None = Field(
        default=None, description="What its queries are.", examples=["what support is asked"]
    )


class GoldenSet(ResponseBody):
    """A golden set with its size."""

    name: str = Field(description="Its name.", examples=["default"])
    origin: Origin = Field(
        description="Who judged: people, a rule that made queries of documents, or clicks.",
        examples=["human"],
    )
    description: str | None = Field(
        description="What its queries are.", examples=["what support is asked"]
    )
    version: int = Field(description="Its version; every change makes another.", examples=[12])
    queries: int = Field(description="How many queries it has.", examples=[40])
    judgements: int = Field(description="How many judgements it has.", examples=[620])
    created_at: datetime = Field(description="When it was created.")
    changed_at: datetime = Field(description="When it last changed.")


class GoldenSetList(ResponseBody):
    """Golden sets, by name."""

    golden_sets: list[GoldenSet] = Field(description="The golden sets of the collection.")


class NewGoldenQuery(RequestBody):
    """A query for a golden set."""

    query_key: Name | None = Field(
        default=None,
        description="Unique in the set; where left out that of a query of the same text, or else "
        "the next number.",
        examples=["q1"],
    )
    query_text: Name = Field(description="What is asked.", examples=["how do I rotate a key?"])


class NewGoldenQueries(RequestBody):
    """Queries for a golden set; one whose key is there gets the new text."""

    queries: list[NewGoldenQuery] = Field(
        min_length=1, max_length=10_000, description="All of them are stored, or none."
    )


class GoldenQuery(ResponseBody):
    """A query of a golden set."""

    query_key: str = Field(description="Its key.", examples=["q1"])
    query_text: str = Field(description="What is asked.", examples=["how do I rotate a key?"])
    judgements: int = Field(description="How many documents are judged for it.", examples=[15])


class GoldenQueryList(ResponseBody):
    """Queries, by key."""

    queries: list[GoldenQuery] = Field(description="The queries of the set.")


class GivenJudgement(RequestBody):
    """How well a document answers a query; the query is named by its key or its text."""

    query_key: Name | None = Field(
        default=None, description="The key of a query of the set.", examples=[None]
    )
    query_text: Name | None = Field(
        default=None,
        description="Or its text: a query that is not in the set yet is put there.",
        examples=["how do I rotate a key?"],
    )
    document_key: Name = Field(description="The document.", examples=["guides/keys.md"])
    grade: Annotated[int, Field(ge=-10, le=100)] | None = Field(
        description="Relevant above 0, and more so the higher; null takes the judgement back.",
        examples=[3],
    )

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.query_key is None) == (self.query_text is None):
            raise ValueError("give either query_key or query_text")
        return self


class GivenJudgements(RequestBody):
    """Judgements to be stored, each in the place of the one that was there."""

    judge: Name | None = Field(
        default=None,
        description="Who judged. With an API key that is the key's name, and nobody else's.",
        examples=["anna"],
    )
    judgements: list[GivenJudgement] = Field(
        min_length=1, max_length=10_000, description="All of them are stored, or none."
    )


class Judgement(ResponseBody):
    """How well a document answers a query."""

    query_key: str = Field(description="The query.", examples=["q1"])
    document_key: str = Field(description="The document.", examples=["guides/keys.md"])
    grade: int = Field(description="Relevant above 0, and more so the higher.", examples=[3])
    judge: str | None = Field(description="Who judged, where that is known.", examples=["anna"])
    judged_at: datetime = Field(description="When.")


class JudgementList(ResponseBody):
    """Judgements by query, best grade first."""

    judgements: list[Judgement] = Field(description="The judgements of the set.")


class ChangedGoldenSet(ResponseBody):
    """What a change has made of a golden set."""

    version: int = Field(description="Its version; the former one if nothing was new.")
    query_keys: list[str] = Field(
        description="The keys of the queries, in the order in which they were given.",
        examples=[["q1"]],
    )


class PoolRequest(RequestBody):
    """A query, and ways to search for it that are to be judged together."""

    query_text: Name = Field(description="What is asked.", examples=["how do I rotate a key?"])
    settings: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=16,
        description="The ways to search: each as the body of a search, without what a query alone "
        "has and without max_results.",
        examples=[[{"legs": ["keyword"]}, {"legs": ["semantic"]}, {}]],
    )
    depth: int = Field(
        default=10, ge=1, le=100, description="How many documents of each.", examples=[10]
    )
    seed: int = Field(
        default=0, description="Another one gives another order.", examples=[0], ge=0, le=2**31 - 1
    )


class PooledDocument(ResponseBody):
    """A document that some of the settings have found."""

    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    title: str | None = Field(description="Its title.", examples=["Rotating keys"])
    content: str = Field(
        description="A chunk of it that was found.",
        examples=["To rotate a key, first issue a new one."],
    )


class Pool(ResponseBody):
    """What several settings find, without who found it and where."""

    documents: list[PooledDocument] = Field(
        description="Those that are not judged yet, in an order that says nothing of their ranks."
    )
    judged: int = Field(description="How many of the pool are judged already.", examples=[12])
    total: int = Field(description="How many documents the pool has.", examples=[38])
