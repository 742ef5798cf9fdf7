"""The bodies of spaces, jobs and settings of a collection."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from retrieval.service.schemas import RequestBody, ResponseBody
from retrieval.service.search_schemas import (
    Count,
    FieldWeight,
    Name,
    Saturation,
    Share,
    Weight,
)

SPACE = "all-MiniLM-L6-v2"


class Space(ResponseBody):
    """An embedding model as it is used for a collection."""

    name: str = Field(description="Its name.", examples=[SPACE])
    kind: str = Field(description="dense, sparse or multivector.", examples=["dense"])
    modality: str = Field(description="What it embeds: text or image.", examples=["text"])
    state: str = Field(
        description="building, active, shadow (kept, and embedded for) or retired.",
        examples=["active"],
    )
    model: str = Field(
        description="The model.", examples=["sentence-transformers/all-MiniLM-L6-v2"]
    )
    dimensions: int = Field(description="The length of its embeddings.", examples=[384])
    metric: str = Field(description="What compares them.", examples=["cosine"])
    index_method: str = Field(description="hnsw, ivfflat or none.", examples=["hnsw"])
    quantization: str = Field(description="What the index holds: half or bit.", examples=["half"])
    index_options: dict[str, Any] = Field(description="How it is built.", examples=[{}])
    search_options: dict[str, Any] = Field(description="How it is searched.", examples=[{}])
    alignment: dict[str, Any] | None = Field(
        description="What is known of vectors that were carried over from another model.",
        examples=[None],
    )
    has_query_adapter: bool = Field(
        description="Whether queries go through an adapter.", examples=[False]
    )
    embeddings: int = Field(description="How many chunks have an embedding.", examples=[980])
    missing: int = Field(description="How many lack one.", examples=[0])
    indexed: bool = Field(description="Whether it has its index.", examples=[True])
    bytes: int = Field(description="What it takes on disk.", examples=[1_916_928])


class SpaceList(ResponseBody):
    """The spaces of a collection, active ones first."""

    spaces: list[Space] = Field(description="The spaces.")


class IndexProgress(ResponseBody):
    """How far an index is that is being built."""

    phase: str = Field(description="What is being done.", examples=["loading tuples"])
    done: int = Field(description="Rows or blocks of the phase that are done.", examples=[40_000])
    total: int = Field(description="How many there are.", examples=[61_774])


class SpaceDetails(Space):
    """A space, and how far its index is."""

    index_progress: IndexProgress | None = Field(
        description="How far the index is; null: none is being built.", examples=[None]
    )


class NewSpace(RequestBody):
    """A space to be created, and filled by a worker."""

    model: Name = Field(
        description="The embedding model.",
        examples=["sentence-transformers/all-MiniLM-L6-v2"],
    )
    space: Name | None = Field(
        default=None, description="Its name; else the last part of the model's.", examples=[SPACE]
    )
    kind: Literal["dense", "sparse", "multivector"] = Field(
        default="dense", description="What the model makes of a text."
    )
    metric: Literal["cosine", "inner_product", "l2", "l1"] | None = Field(
        default=None, description="What compares embeddings; that of the model where left out."
    )
    index_method: Literal["hnsw", "ivfflat", "none"] | None = Field(
        default=None, description="The kind of its index."
    )
    quantization: Literal["half", "bit"] | None = Field(
        default=None, description="What the index holds."
    )


class RolledBack(ResponseBody):
    """The space that is active again."""

    space: str = Field(description="Its name.", examples=[SPACE])


class Rollback(RequestBody):
    """Which of the active spaces gives way to the one before."""

    kind: Literal["dense", "sparse", "multivector"] = Field(
        default="dense", description="The kind of the spaces."
    )
    modality: Literal["text", "image"] = Field(default="text", description="What they embed.")


class JobCounts(ResponseBody):
    """How many chunks wait to be embedded for a space."""

    space: str = Field(description="The space.", examples=[SPACE])
    state: str = Field(description="The space's state.", examples=["active"])
    pending: int = Field(description="Chunks that are to be embedded.", examples=[120])
    running: int = Field(description="Chunks that a worker has taken.", examples=[32])
    failed: int = Field(description="Chunks that could not be embedded.", examples=[0])
    oldest: datetime | None = Field(description="Since when the oldest waits; null: none does.")
    per_minute: float = Field(
        description="How many were embedded a minute, over the last five.", examples=[2400.0]
    )


class JobList(ResponseBody):
    """The spaces for which chunks wait, or were embedded of late."""

    jobs: list[JobCounts] = Field(description="One for each such space.")


class FailedJob(ResponseBody):
    """A chunk that could not be embedded."""

    job_id: int = Field(description="The job.", examples=[7])
    space: str = Field(description="The space.", examples=[SPACE])
    document_key: str = Field(description="The chunk's document.", examples=["guides/keys.md"])
    chunk_id: int = Field(description="The chunk.", examples=[1041])
    position: int = Field(description="Where in its document, from 0.", examples=[2])
    error: str = Field(description="Why.", examples=["the worker stopped while embedding it"])
    created_at: datetime = Field(description="Since when it was to be embedded.")


class FailedJobList(ResponseBody):
    """Chunks that could not be embedded."""

    failed: list[FailedJob] = Field(description="The chunks.")


class RetryJobs(RequestBody):
    """What is to be tried again."""

    space: Name | None = Field(
        default=None, description="The space; every one where left out.", examples=[SPACE]
    )


class RetriedJobs(ResponseBody):
    """What is tried again."""

    jobs: int = Field(description="How many jobs.", examples=[3])


class Rerank(RequestBody):
    """The reranker of searches that do not name one."""

    model: Name = Field(
        description="Its name: a cross-encoder, word-overlap, or late_interaction.",
        examples=["cross-encoder/ms-marco-MiniLM-L6-v2"],
    )
    candidates: Count | None = Field(
        default=None, description="How many hits it reads; 50 where left out.", examples=[50]
    )


class Ranking(RequestBody):
    """How searches rank unless they say otherwise; what is left out is as by default."""

    fusion: Literal["relative", "rrf", "dbsf"] | None = Field(
        default=None, description="How the scores of the legs become one.", examples=["relative"]
    )
    weights: dict[str, Weight] | None = Field(
        default=None,
        description="What each leg counts, by its name or that of a space.",
        examples=[{"keyword": 1, "semantic": 2}],
    )
    rrf_k: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="k of reciprocal rank fusion.",
        examples=[60],
    )
    candidates: Count | None = Field(
        default=None, description="How many chunks each leg contributes.", examples=[100]
    )
    k1: Saturation | None = Field(default=None, description="k1 of BM25.", examples=[1.2])
    b: Share | None = Field(default=None, description="b of BM25.", examples=[0.75])
    mmr_lambda: Share | None = Field(
        default=None,
        description="Maximal marginal relevance: 1 for none, 0 for diversity alone.",
        examples=[0.7],
    )
    rerank: Rerank | None = Field(
        default=None, description="What orders the hits of searches again.", examples=[None]
    )


class Chunking(RequestBody):
    """How documents are cut; what is left out is as by default."""

    strategy: Literal[
        "auto", "fixed", "recursive", "sentence", "semantic", "markdown", "code", "whole"
    ] = Field(default="auto", description="Where they are cut; auto: by their type.")
    maximum_tokens: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="The most tokens of a chunk; without it what the model reads.",
        examples=[200],
    )
    overlap_tokens: int = Field(
        default=0, ge=0, le=1_000_000, description="How many tokens chunks share.", examples=[0]
    )
    breakpoint_percentile: float = Field(
        default=90,
        gt=0,
        lt=100,
        description="For semantic: the share of places that are not cut, in percent.",
        examples=[90],
    )


class FieldWeights(RequestBody):
    """What words count by the field they are in; 1 where left out."""

    title: FieldWeight | None = Field(default=None, description="In the title.", examples=[2])
    context: FieldWeight | None = Field(default=None, description="In the context.", examples=[1.5])
    content: FieldWeight | None = Field(default=None, description="In the content.", examples=[1])


class Calibrate(RequestBody):
    """What is to be calibrated."""

    space: Name | None = Field(
        default=None, description="The dense space; else the active one.", examples=[SPACE]
    )
    sample: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="How many chunks are asked; 100 where left out.",
        examples=[200],
    )
    store: bool = Field(default=True, description="Whether searches use what is found.")


class Calibration(ResponseBody):
    """What a space should count beside the words, where these count 1."""

    space_name: str = Field(description="The space.", examples=[SPACE])
    sampled: int = Field(description="How many chunks were asked.", examples=[200])
    agreement: float | None = Field(
        description="The share of the ten nearest that words find too.", examples=[0.21]
    )
    weight: float | None = Field(
        description="The weight; null: too few chunks share words to say.", examples=[0.7]
    )
