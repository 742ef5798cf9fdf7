"""Pools: what several ways of searching find, to be judged blind."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError

from retrieval.errors import InvalidInput
from retrieval.evaluation.pooling import pooled
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.service.dependencies import CollectionName, Reading
from retrieval.service.golden_set_schemas import Pool, PooledDocument, PoolRequest
from retrieval.service.golden_set_statements import judgements_statement
from retrieval.service.problems import described, problem_responses
from retrieval.service.routes.golden_sets import GOLDEN_SET, GoldenSetName
from retrieval.service.search_schemas import Search
from retrieval.service.strict_route import StrictRoute

router = APIRouter(tags=["golden sets"], route_class=StrictRoute)


@router.post(
    GOLDEN_SET + "/pool",
    operation_id="pool",
    summary="Pool what is to be judged",
    responses=problem_responses(404, 409, 413, 415),
)
async def pool(
    name: CollectionName, golden_set: GoldenSetName, body: PoolRequest, retriever: Reading
) -> Pool:
    """What several settings find for a query, without ranks, scores and who found it.

    What the set has a judgement of is counted and left out.
    """
    query = body.query_text
    settings = [_settings(each, number, query) for number, each in enumerate(body.settings)]
    stored = await retriever.read(judgements_statement(name, golden_set, query_text=query))
    judged = {each.document_key for each in stored}
    rankings = [
        await retriever.search(name, query, max_results=body.depth, **each.search_arguments())
        for each in settings
    ]
    every = pooled(rankings, query, seed=body.seed)
    waiting = [each for each in every if each.document_key not in judged]
    return Pool(
        documents=[PooledDocument.model_validate(each) for each in waiting],
        judged=len(every) - len(waiting),
        total=len(every),
    )


def _settings(given: Mapping[str, Any], number: int, query: str) -> SearchSettings:
    """One way to search, checked as the body of a search is."""
    settings = SearchSettings(str(number), given)
    try:
        Search.model_validate({**given, "query": query})
    except ValidationError as error:
        raise InvalidInput(f"settings.{number}.{described(error.errors())}") from error
    return settings
