"""Searching."""

import time
from typing import Any

from fastapi import APIRouter

from retrieval.errors import InvalidInput, NotReady
from retrieval.search.results import RankedChunk
from retrieval.service.dependencies import CollectionName, Log, Reading
from retrieval.service.found_schemas import (
    AnsweredQuestion,
    DocumentHit,
    DocumentResult,
    Explanation,
    Facet,
    Hit,
    MatchesCounted,
    Passage,
    PassageResult,
    SearchAnswer,
    SearchResult,
)
from retrieval.service.problems import problem_responses
from retrieval.service.search_schemas import (
    ChunkRecommendation,
    DocumentRecommendation,
    DocumentSearch,
    ExplainedSearch,
    LikeThis,
    MatchCount,
    Passages,
    Question,
    Search,
)
from retrieval.service.strict_route import StrictRoute
from retrieval.settings import Settings

router = APIRouter(tags=["search"], route_class=StrictRoute)

PROBLEMS = problem_responses(404, 409, 413, 415)


@router.post(
    "/v1/collections/{name}/search",
    operation_id="search",
    summary="Search a collection",
    response_model_exclude_unset=True,
    responses=PROBLEMS,
)
async def search(name: CollectionName, body: Search, retriever: Reading, log: Log) -> SearchAnswer:
    """The best chunks by one or several searches, fused; best first."""
    began = time.perf_counter()
    found = await retriever.search(name, **body.arguments())
    milliseconds = 1000 * (time.perf_counter() - began)
    hits = [Hit.model_validate(each) for each in found]
    marked: list[str | None] = [None] * len(hits)
    if body.highlight and hits:
        texts = [each.content for each in hits]
        marked[:] = await retriever.highlight(name, body.query, texts, escape_html=True)
    for hit, highlight in zip(hits, marked, strict=True):
        hit.highlight = highlight
    logged = await log.begin(retriever, name, body, found, milliseconds)
    return SearchAnswer(hits=hits, **logged)


@router.post(
    "/v1/collections/{name}/search/explain",
    operation_id="explain_search",
    summary="Explain a search",
    response_model_exclude_unset=True,
    responses=PROBLEMS,
)
async def explain_search(
    name: CollectionName, body: ExplainedSearch, retriever: Reading
) -> Explanation:
    """How a search comes to its ranking: its legs, and for each hit what made its score."""
    return Explanation.model_validate(await retriever.explain(name, **body.arguments()))


@router.post(
    "/v1/collections/{name}/search/documents",
    operation_id="search_documents",
    summary="Search a collection for documents",
    response_model_exclude_unset=True,
    responses=PROBLEMS,
)
async def search_documents(
    name: CollectionName, body: DocumentSearch, retriever: Reading, log: Log
) -> DocumentResult:
    """The best documents by their chunks, each once; best first."""
    began = time.perf_counter()
    found = await retriever.search_documents(name, **body.arguments())
    milliseconds = 1000 * (time.perf_counter() - began)
    documents = [DocumentHit.model_validate(each) for each in found]
    logged = await log.begin(retriever, name, body, found, milliseconds)
    return DocumentResult(documents=documents, **logged)


@router.post(
    "/v1/collections/{name}/search/counts",
    operation_id="count_matches",
    summary="Count matches and their metadata",
    responses=PROBLEMS,
)
async def count_matches(
    name: CollectionName, body: MatchCount, retriever: Reading
) -> MatchesCounted:
    """How many chunks match, and how many of them have which value under metadata keys."""
    shared: dict[str, Any] = {
        "metadata_filter": body.metadata_filter,
        "keyword_operator": body.keyword_operator,
    }
    facets = await retriever.facets(
        name,
        body.keys,
        body.query,
        max_values=body.max_values,
        chunk_ids=body.chunk_ids,
        **shared,
    )
    matches = None
    if body.query is not None:
        matches = await retriever.count_matches(name, body.query, exact=body.exact, **shared)
    return MatchesCounted(matches=matches, facets=[Facet.model_validate(each) for each in facets])


@router.post(
    "/v1/collections/{name}/recommend",
    operation_id="recommend",
    summary="Recommend chunks",
    responses=PROBLEMS,
)
async def recommend(
    name: CollectionName, body: ChunkRecommendation, retriever: Reading
) -> SearchResult:
    """The chunks most like some chunks, and unlike others; best first."""
    hits = await retriever.recommend(name, **body.model_dump())
    return SearchResult(hits=[Hit.model_validate(each) for each in hits])


@router.post(
    "/v1/collections/{name}/recommend/documents",
    operation_id="recommend_documents",
    summary="Recommend documents",
    responses=PROBLEMS,
)
async def recommend_documents(
    name: CollectionName, body: DocumentRecommendation, retriever: Reading
) -> SearchResult:
    """The documents most like some documents, and unlike others, each by its best chunk."""
    hits = await retriever.recommend_documents(name, **body.model_dump())
    return SearchResult(hits=[Hit.model_validate(each) for each in hits])


@router.post(
    "/v1/collections/{name}/more_like_this",
    operation_id="more_like_this",
    summary="Find more like a document by its words",
    responses=PROBLEMS,
)
async def more_like_this(name: CollectionName, body: LikeThis, retriever: Reading) -> SearchResult:
    """The chunks that have the most telling words of a document or a chunk; no model is needed."""
    hits = await retriever.more_like_this(name, **body.model_dump())
    return SearchResult(hits=[Hit.model_validate(each) for each in hits])


@router.post(
    "/v1/collections/{name}/passages",
    operation_id="passages",
    summary="Read hits in what is around them",
    responses=PROBLEMS,
)
async def passages(name: CollectionName, body: Passages, retriever: Reading) -> PassageResult:
    """The passages that hits are part of; those that overlap or touch are one."""
    scores = body.scores if body.scores is not None else [0.0] * len(body.chunk_ids)
    if len(scores) != len(body.chunk_ids):
        raise InvalidInput(f"scores: {len(scores)} for {len(body.chunk_ids)} chunk_ids")
    hits = [RankedChunk(*each) for each in zip(body.chunk_ids, scores, strict=True)]
    found = await retriever.passages(name, hits, before=body.before, after=body.after)
    result = PassageResult(passages=[Passage.model_validate(each) for each in found])
    if body.scores is None:
        for passage in result.passages:
            passage.score = None
    return result


@router.post(
    "/v1/collections/{name}/answer",
    operation_id="answer",
    summary="Answer a question",
    responses=PROBLEMS,
)
async def answer(name: CollectionName, body: Question, retriever: Reading) -> AnsweredQuestion:
    """Search, and let the language model of the service answer from what is found, with citations.

    That a citation exists does not mean that the passage says so.
    """
    if Settings().chat_model is None:
        raise NotReady("no language model is configured for answers; set RETRIEVAL_CHAT_MODEL")
    answered = await retriever.answer(name, **body.model_dump())
    return AnsweredQuestion.model_validate(answered)
