"""The bodies of what searches find."""

from typing import Any
from uuid import UUID

from pydantic import Field

from retrieval.service.schemas import ResponseBody


class Contribution(ResponseBody):
    """What a leg added to the score of a chunk that it found."""

    rank: int = Field(description="The chunk's rank in the leg, from 1.", examples=[1])
    score: float = Field(description="Its score in the leg.", examples=[7.1])
    contribution: float = Field(description="What the leg added to the score.", examples=[1.0])


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
    score: float = Field(description="Higher is better.", examples=[1.7])
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
    sparse_rank: int | None = Field(
        description="Rank by sparse embedding, from 1; null: not found so.", examples=[None]
    )
    sparse_score: float | None = Field(
        description="Similarity by the sparse space's metric.", examples=[None]
    )
    late_interaction_rank: int | None = Field(
        description="Rank by the embeddings of tokens, from 1; null: not found so.",
        examples=[None],
    )
    late_interaction_score: float | None = Field(
        description="Sum over the query's tokens of the largest similarity.", examples=[None]
    )
    contributions: dict[str, Contribution] = Field(
        description="What each leg that found the chunk added to the score; empty where a leg was "
        "searched alone, without an option of fusion.",
        examples=[{"keyword": {"rank": 1, "score": 7.1, "contribution": 1.0}}],
    )
    rerank_score: float | None = Field(
        description="Score of the reranker, which decided over the place; null: not reranked.",
        examples=[4.2],
    )
    highlight: str | None = Field(
        default=None,
        description="Fragments of the text as HTML, safe to show: the query's words are between "
        "<mark> and </mark>, everything else is escaped. null: not asked for.",
        examples=["To <mark>rotate</mark> a <mark>key</mark>, first issue a new one."],
    )


class Logged(ResponseBody):
    """The answer to a search that may have been logged."""

    query_id: UUID | None = Field(
        default=None,
        description="What clicks on its hits name it by; not there where it was not logged.",
        examples=["1b4e28ba-2fa1-41d2-883f-0016d3cca427"],
    )


class SearchResult(ResponseBody):
    """The chunks found, best first."""

    hits: list[Hit]


class SearchAnswer(Logged, SearchResult):
    """The chunks found, best first; with an id where the search was logged."""


class DocumentHit(ResponseBody):
    """One document that was found, with its best chunk."""

    document_id: int = Field(description="The document.", examples=[17])
    document_key: str = Field(description="Its key.", examples=["guides/keys.md"])
    title: str | None = Field(description="Its title.", examples=["Rotating keys"])
    metadata: dict[str, Any] = Field(description="Its metadata.", examples=[{"year": 2026}])
    score: float = Field(description="Higher is better.", examples=[1.7])
    chunk_id: int = Field(description="Its best chunk.", examples=[1041])
    position: int = Field(description="Where that is in the document, from 0.", examples=[2])
    content: str = Field(
        description="The best chunk's text.", examples=["To rotate a key, first issue a new one."]
    )
    chunk_ids: list[int] = Field(
        description="All of its chunks among the candidates, best first.", examples=[[1041, 1043]]
    )


class DocumentResult(Logged):
    """The documents found, best first."""

    documents: list[DocumentHit]


class ExplainedLeg(ResponseBody):
    """What a leg of a search did."""

    leg: str = Field(description="The leg.", examples=["semantic"])
    space: str | None = Field(description="Its space.", examples=["all-MiniLM-L6-v2"])
    plan: str = Field(
        description="index, exact, or candidates where only those of other legs were scored.",
        examples=["index"],
    )
    candidates: int = Field(description="How many chunks it found.", examples=[100])
    weight: float = Field(description="What it counts.", examples=[0.7])
    weight_from: str = Field(
        description="Where the weight is from: call, ranking, calibration or default.",
        examples=["calibration"],
    )
    k1: float | None = Field(default=None, description="Of words: k1 of BM25.", examples=[1.2])
    b: float | None = Field(default=None, description="Of words: b of BM25.", examples=[0.75])
    field_weights: dict[str, float] | None = Field(
        default=None,
        description="Of words: what they count by field, 1 in one that is not there.",
        examples=[{"title": 2}],
    )
    milliseconds: float = Field(description="How long it took.", examples=[2.1])


class ExplainedBoost(ResponseBody):
    """What a boost made of a score."""

    field: str | list[str] = Field(description="The metadata's key, or path.", examples=["team"])
    value: Any = Field(description="What stands there; null: nothing.", examples=["security"])
    factor: float = Field(description="What the score was multiplied by.", examples=[1.5])


class ExplainedHit(ResponseBody):
    """A chunk that was found, and what made its score: the sum of the contributions times factors.

    What was not asked for is not there.
    """

    rank: int = Field(description="Its place, from 1.", examples=[1])
    chunk_id: int = Field(description="The chunk.", examples=[1041])
    document_key: str = Field(description="Its document's key.", examples=["guides/keys.md"])
    position: int = Field(description="Where in its document, from 0.", examples=[2])
    score: float = Field(description="Its score.", examples=[1.7])
    legs: dict[str, Contribution] = Field(
        description="What each leg that found it added.",
        examples=[{"keyword": {"rank": 1, "score": 7.1, "contribution": 1.0}}],
    )
    fused_score: float | None = Field(
        default=None, description="Its score before the boosts.", examples=[1.7]
    )
    boosts: list[ExplainedBoost] | None = Field(default=None, description="What each boost did.")
    duplicates: list[int] | None = Field(
        default=None,
        description="The chunks that fell to it as near-duplicates.",
        examples=[[1042]],
    )
    mmr_score: float | None = Field(
        default=None, description="What it was chosen by for diversity.", examples=[0.8]
    )


class Facet(ResponseBody):
    """How many of the matches have a value under a key."""

    key: str = Field(description="The metadata key.", examples=["team"])
    value: Any = Field(description="A value under it.", examples=["security"])
    documents: int = Field(description="Documents that have it.", examples=[12])
    chunks: int = Field(description="Their chunks among the matches.", examples=[31])


class MatchesCounted(ResponseBody):
    """What was counted."""

    matches: int | None = Field(
        description="Chunks that match the words, from 1,000 on an estimate unless exact; null "
        "where no words were given.",
        examples=[1200],
    )
    facets: list[Facet] = Field(description="By key, the commonest values first.")


class Explanation(ResponseBody):
    """How a search came to its ranking."""

    fusion: str = Field(description="How scores became one.", examples=["relative"])
    rrf_k: int = Field(description="k, where the fusion is rrf.", examples=[60])
    candidates: int = Field(description="How many chunks a leg may contribute.", examples=[100])
    mmr_lambda: float | None = Field(description="Diversity; null: none.", examples=[None])
    legs: list[ExplainedLeg] = Field(description="What each leg did.")
    fused: int = Field(description="How many different chunks the legs found.", examples=[154])
    milliseconds: float = Field(description="How long it took.", examples=[5.4])
    hits: list[ExplainedHit] = Field(description="What was found, best first.")


class Passage(ResponseBody):
    """Neighbouring hits with what is around them, as one text."""

    document_id: int = Field(description="The document.", examples=[17])
    document_key: str = Field(description="The document's key.", examples=["guides/keys.md"])
    title: str | None = Field(description="The document's title.", examples=["Rotating keys"])
    context: str = Field(
        description="The path of headings that its chunks share.", examples=["Keys > Rotation"]
    )
    metadata: dict[str, Any] = Field(description="Its metadata.", examples=[{"year": 2026}])
    first_position: int = Field(description="The position of its first chunk.", examples=[1])
    last_position: int = Field(description="The position of its last chunk.", examples=[3])
    start_offset: int | None = Field(
        description="Where it begins in the document, in characters.", examples=[412]
    )
    end_offset: int | None = Field(
        description="Where it ends; the character there is not its own.", examples=[1630]
    )
    content: str = Field(
        description="Its text.", examples=["To rotate a key, first issue a new one."]
    )
    score: float | None = Field(
        description="The best score of its hits; null: none were given.", examples=[1.7]
    )
    hit_ids: list[int] = Field(description="The hits in it.", examples=[[1041, 1043]])


class PassageResult(ResponseBody):
    """The passages, each at the place of its best hit."""

    passages: list[Passage] = Field(description="The passages.")


class Citation(ResponseBody):
    """A passage that an answer cites."""

    number: int = Field(description="What stands for it in the answer: [1].", examples=[1])
    document_key: str = Field(description="The document's key.", examples=["guides/keys.md"])
    title: str | None = Field(description="The document's title.", examples=["Rotating keys"])
    context: str = Field(description="The path of headings above it.", examples=["Rotation"])
    content: str = Field(
        description="Its text.", examples=["To rotate a key, first issue a new one."]
    )
    positions: list[int] = Field(description="Its chunks in the document.", examples=[[2]])


class AnsweredQuestion(ResponseBody):
    """What a language model answered from what was found."""

    text: str = Field(
        description="The answer; what it cites is there.", examples=["First issue a new key [1]."]
    )
    citations: list[Citation] = Field(description="The passages that it cites.")
    unknown_citations: list[int] = Field(
        description="Numbers that it cited although there is no such passage; they were removed.",
        examples=[[]],
    )
    is_complete: bool = Field(
        description="false: the model was stopped by a limit.", examples=[True]
    )
