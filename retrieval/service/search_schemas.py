"""The bodies of searches and recommendations."""

from typing import Annotated, Any, Literal

from pgvector import SparseVector
from pydantic import Field

from retrieval.service.schemas import RequestBody, Vector

Leg = Literal["keyword", "semantic", "sparse", "late_interaction"]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Saturation = Annotated[float, Field(ge=0, le=100)]
FieldWeight = Annotated[float, Field(ge=0, le=1000)]
ChunkId = Annotated[int, Field(ge=1, le=2**63 - 1)]
Name = Annotated[str, Field(min_length=1)]
_NUMBER = r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?"
SparseText = Annotated[
    str, Field(pattern=rf"^\{{(\d{{1,10}}:{_NUMBER}(,\d{{1,10}}:{_NUMBER})*)?\}}/\d{{1,10}}$")
]

FILTER = (
    "Conditions on metadata: $eq $ne $gt $gte $lt $lte $in $nin $exists $contains "
    "$prefix $and $or $not."
)
EFFORT = (
    "How far the vector index is searched: ef_search of an HNSW index, probes of "
    "an IVFFlat index; the space's own where left out."
)


class LoggedSearch(RequestBody):
    """A search that is logged where the collection's are."""

    log: bool = Field(
        default=True,
        description="Whether the query may be logged, in a collection whose queries are; false for "
        "what nobody asked, such as a probe or what is still being typed.",
    )


class HybridSearch(RequestBody):
    """What every search in a collection is told."""

    query: str = Field(
        description='Words, "a phrase", -not, or, prefix*.', examples=["how do I rotate a key?"]
    )
    max_results: Count = Field(default=10, description="How many hits at most.")
    metadata_filter: dict[str, Any] | None = Field(
        default=None, description=FILTER, examples=[{"year": {"$gte": 2022}}]
    )
    legs: list[Leg] = Field(
        default=["keyword", "semantic"], min_length=1, description="Which searches are fused."
    )
    fusion: Literal["relative", "rrf", "dbsf"] | None = Field(
        default=None,
        description="How the scores of the legs become one; where left out as the collection is "
        "set, else relative.",
        examples=["relative"],
    )
    weights: dict[str, Weight] | None = Field(
        default=None,
        description="What each leg counts, by its name or that of one of the spaces; 1 for one "
        "that is not named. Without weights those of the collection, else 0.7 for a dense space.",
        examples=[{"keyword": 1, "semantic": 2}],
    )
    rrf_k: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="k of reciprocal rank fusion; as the collection is set where left out, else "
        "60.",
        examples=[60],
    )
    candidates: Count | None = Field(
        default=None,
        description="How many chunks each leg contributes; as the collection is set where left "
        "out, else 100.",
        examples=[100],
    )
    leg_candidates: dict[str, Count] | None = Field(
        default=None,
        description="How many chunks single legs contribute.",
        examples=[{"keyword": 200}],
    )
    boosts: dict[str, Any] | list[dict[str, Any]] | None = Field(
        default=None,
        description="Factors of the scores by metadata: decay, values or modifier of a field.",
        examples=[[{"field": "team", "values": {"security": 1.5}}]],
    )
    late_interaction: Literal["candidates", "collection"] | None = Field(
        default=None,
        description="What late_interaction scores: what the other legs found, or every chunk. "
        "Where left out the second if it is the only leg.",
        examples=["candidates"],
    )
    space: str | None = Field(
        default=None,
        description="The dense space to search in; without one, the active one.",
        examples=["all-MiniLM-L6-v2"],
    )
    spaces: list[Name] = Field(
        default=[],
        max_length=16,
        description="More spaces to search, each a leg by its name; their own models embed the "
        "query.",
        examples=[[]],
    )
    keyword_operator: Literal["or", "and"] | None = Field(
        default=None,
        description="Whether a chunk must hold any word or every word; any where left out.",
        examples=["or"],
    )
    field_weights: dict[str, FieldWeight] | None = Field(
        default=None,
        description="What words count in title, context and content; as the collection where left "
        "out.",
        examples=[{"title": 2}],
    )
    k1: Saturation | None = Field(
        default=None,
        description="k1 of BM25: how long more occurrences of a word go on to count; as the "
        "collection is set where left out, else 1.2.",
        examples=[1.2],
    )
    b: Share | None = Field(
        default=None,
        description="b of BM25: how much of its length a chunk is measured against; as the "
        "collection is set where left out, else 0.75.",
        examples=[0.75],
    )
    search_effort: int | None = Field(
        default=None, ge=1, le=32_768, description=EFFORT, examples=[200]
    )
    query_embedding: Vector | None = Field(
        default=None,
        description="The query's embedding; without one, the space's model makes it.",
        examples=[None],
    )
    query_sparse: SparseText | None = Field(
        default=None,
        description="The query's sparse embedding as pgvector writes it, with indices from 1.",
        examples=["{1996:0.5,3145:1.25}/30522"],
    )
    query_tokens: list[Vector] | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="The embeddings of the query's tokens, for late_interaction.",
        examples=[None],
    )

    def arguments(self) -> dict[str, Any]:
        """The arguments of a retriever's method."""
        given = self.model_dump()
        if self.query_sparse is not None:
            given["query_sparse"] = SparseVector.from_text(self.query_sparse)
        return given


class DocumentSearch(HybridSearch, LoggedSearch):
    """A search for documents in one collection."""

    aggregation: Literal["max", "sum", "mean_of_best"] | None = Field(
        default=None,
        description="What makes a document's score of its chunks': the best, which is the "
        "default, the sum, or the mean of the three best.",
        examples=["max"],
    )

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        del given["log"]
        return given


class ExplainedSearch(HybridSearch):
    """A search in one collection, to be explained."""

    duplicate_similarity: Share | None = Field(
        default=None,
        description="A hit falls whose cosine with a better one is at least that.",
        examples=[0.95],
    )
    per_document: Count | None = Field(
        default=None, description="How many chunks of a document at most.", examples=[2]
    )
    mmr_lambda: Share | None = Field(
        default=None,
        description="Maximal marginal relevance: 1 for none, 0 for diversity alone; as the "
        "collection is set where left out, else none.",
        examples=[0.7],
    )
    result_offset: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="How many of the best are left out, for the pages after the first. The last "
        "hit of a page must be among the candidates.",
        examples=[0],
    )


class Search(ExplainedSearch, LoggedSearch):
    """A search in one collection."""

    rerank: bool | Name | None = Field(
        default=None,
        description="Whether a reranker orders the hits again: true for that of the service, or "
        "its name: a cross-encoder, or word-overlap, which needs no model; false for none. As the "
        "collection is set where left out, else none.",
        examples=[True],
    )
    rerank_candidates: Count | None = Field(
        default=None,
        description="How many hits the reranker reads, max_results at the least; where left out "
        "as the collection is set, else 50, or max_results if that is more. Pages are cut from "
        "these.",
        examples=[50],
    )
    highlight: bool = Field(
        default=False,
        description="Whether each hit has its text as HTML, with the query's words marked.",
        examples=[True],
    )

    def arguments(self) -> dict[str, Any]:
        given = super().arguments()
        del given["highlight"], given["log"]  # are made of what was found
        return given


class MatchCount(RequestBody):
    """What of a collection is counted."""

    query: str | None = Field(
        default=None,
        description="Words that a chunk has to match; without any, all of them are counted.",
        examples=["rotate a key"],
    )
    keys: list[Name] = Field(
        default=[],
        max_length=32,
        description="Metadata keys whose values are counted.",
        examples=[["team", "year"]],
    )
    metadata_filter: dict[str, Any] | None = Field(
        default=None, description=FILTER, examples=[{"year": {"$gte": 2022}}]
    )
    keyword_operator: Literal["or", "and"] | None = Field(
        default=None,
        description="Whether a chunk must hold any word or every word; any where left out.",
        examples=["or"],
    )
    max_values: Count | None = Field(
        default=None, description="How many values of a key at most; 10 where left out."
    )
    chunk_ids: list[ChunkId] | None = Field(
        default=None,
        max_length=10_000,
        description="Count values among these chunks, such as the hits of a search.",
        examples=[[1041, 1042]],
    )
    exact: bool = Field(default=False, description="Count the matches, however many there are.")


class Recommendation(RequestBody):
    """What recommendations are told beside their examples."""

    metadata_filter: dict[str, Any] | None = Field(
        default=None, description=FILTER, examples=[{"year": {"$gte": 2022}}]
    )
    max_results: Count = Field(default=10, description="How many hits at most.")
    space: str | None = Field(
        default=None,
        description="The dense space to compare in; without one, the active one.",
        examples=["all-MiniLM-L6-v2"],
    )
    strategy: Literal["average_vector", "best_score"] | None = Field(
        default=None,
        description="Whether what is like the mean of the examples is best, which is the default, "
        "or what is like one of them.",
        examples=["average_vector"],
    )
    candidates: Count | None = Field(
        default=None,
        description="How many chunks each positive example contributes under best_score; 100 "
        "where left out.",
        examples=[100],
    )
    search_effort: int | None = Field(
        default=None, ge=1, le=32_768, description=EFFORT, examples=[200]
    )


class LikeThis(RequestBody):
    """A document or a chunk whose words others are to have."""

    example_document: Name | None = Field(
        default=None, description="The document's key.", examples=["guides/keys.md"]
    )
    example_chunk: ChunkId | None = Field(
        default=None, description="Or a chunk of the collection.", examples=[None]
    )
    metadata_filter: dict[str, Any] | None = Field(
        default=None, description=FILTER, examples=[{"year": {"$gte": 2022}}]
    )
    max_results: Count = Field(default=10, description="How many hits at most.")
    terms: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="How many of its most telling words are searched for; 25 where left out.",
        examples=[25],
    )
    field_weights: dict[str, FieldWeight] | None = Field(
        default=None,
        description="What words count in title and context; as the collection where left out.",
        examples=[{"title": 2}],
    )


class Passages(RequestBody):
    """Hits that are to be read in what is around them."""

    chunk_ids: list[ChunkId] = Field(
        max_length=1000, description="The chunks, best first.", examples=[[1041, 1043]]
    )
    scores: list[float] | None = Field(
        default=None,
        max_length=1000,
        description="Their scores, one for each; passages have the best of theirs.",
        examples=[[1.7, 1.1]],
    )
    before: int = Field(
        default=0, ge=0, le=1000, description="How many chunks before each.", examples=[1]
    )
    after: int = Field(
        default=0, ge=0, le=1000, description="How many chunks after each.", examples=[1]
    )


class Question(RequestBody):
    """A question that a language model answers from what is found."""

    question: str = Field(
        min_length=1, description="The question.", examples=["How do I rotate a key?"]
    )
    max_results: Count = Field(default=10, description="How many chunks are searched for at most.")
    max_tokens: int = Field(
        default=4000, ge=100, le=1_000_000, description="How much of them the model reads."
    )
    metadata_filter: dict[str, Any] | None = Field(
        default=None, description=FILTER, examples=[{"year": {"$gte": 2022}}]
    )
    legs: list[Leg] = Field(
        default=["keyword", "semantic"], min_length=1, description="Which searches are fused."
    )
    space: str | None = Field(
        default=None, description="The dense space to search in.", examples=["all-MiniLM-L6-v2"]
    )
    rerank: bool | Name | None = Field(
        default=None,
        description="Whether a reranker orders the hits again; as the collection is set where "
        "left out.",
        examples=[True],
    )


class ChunkRecommendation(Recommendation):
    """Chunks to be like, and chunks to be unlike."""

    positive: list[ChunkId] = Field(
        min_length=1, max_length=1000, description="Chunks to be like.", examples=[[1041]]
    )
    negative: list[ChunkId] = Field(
        default=[], max_length=1000, description="Chunks to be unlike.", examples=[[]]
    )
    exclude_documents: bool | None = Field(
        default=None,
        description="Whether other chunks of the examples' documents are left out; true where "
        "left out.",
        examples=[True],
    )


class DocumentRecommendation(Recommendation):
    """Documents to be like, and documents to be unlike."""

    positive_keys: list[Name] = Field(
        min_length=1,
        max_length=1000,
        description="Keys of documents to be like.",
        examples=[["guides/keys.md"]],
    )
    negative_keys: list[Name] = Field(
        default=[], max_length=1000, description="Keys of documents to be unlike.", examples=[[]]
    )
