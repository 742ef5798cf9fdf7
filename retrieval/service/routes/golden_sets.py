"""Golden sets: queries with judgements of which documents answer them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from retrieval import database
from retrieval.api_keys import ApiKey
from retrieval.errors import InvalidInput, NotFound
from retrieval.golden_sets.judgements import Judgements
from retrieval.golden_sets.results import GoldenSetSummary
from retrieval.search import AsyncRetriever
from retrieval.service.dependencies import AskingKey, CollectionName, Reading, Writing
from retrieval.service.golden_set_schemas import (
    ChangedGoldenSet,
    GivenJudgement,
    GivenJudgements,
    GoldenQuery,
    GoldenQueryList,
    GoldenSet,
    GoldenSetList,
    Judgement,
    JudgementList,
    NewGoldenQueries,
    NewGoldenQuery,
    NewGoldenSet,
)
from retrieval.service.golden_set_statements import judgements_statement, queries_statement
from retrieval.service.problems import problem_responses
from retrieval.service.strict_route import StrictRoute

GOLDEN_SETS = "/v1/collections/{name}/golden-sets"
GOLDEN_SET = GOLDEN_SETS + "/{golden_set}"
QUERY = GOLDEN_SET + "/queries/{query_key:document_key}"

router = APIRouter(tags=["golden sets"], route_class=StrictRoute)

GoldenSetName = Annotated[str, Path(description="The set's name.", examples=["default"])]
QueryKey = Annotated[
    str, Path(description="The query's key: any text, slashes included.", examples=["q1"])
]
Version = Annotated[
    int | None,
    Query(ge=0, le=2**31 - 1, description="As it was in this version.", examples=[None]),
]


@router.get(
    GOLDEN_SETS,
    operation_id="list_golden_sets",
    summary="List golden sets",
    responses=problem_responses(404),
)
async def list_golden_sets(name: CollectionName, retriever: Reading) -> GoldenSetList:
    """The golden sets of a collection by name, with their sizes."""
    found = await retriever.golden_sets.list(name)
    return GoldenSetList(golden_sets=[GoldenSet.model_validate(each) for each in found])


@router.post(
    GOLDEN_SETS,
    status_code=201,
    operation_id="create_golden_set",
    summary="Create a golden set",
    responses=problem_responses(404, 409, 413, 415),
)
async def create_golden_set(
    name: CollectionName, body: NewGoldenSet, retriever: Writing
) -> GoldenSet:
    """Create an empty golden set."""
    await retriever.golden_sets.create(name, **body.model_dump())
    return GoldenSet.model_validate(await _summary(retriever, name, body.name))


@router.get(
    GOLDEN_SET,
    operation_id="get_golden_set",
    summary="Read a golden set",
    responses=problem_responses(404),
)
async def get_golden_set(
    name: CollectionName, golden_set: GoldenSetName, retriever: Reading
) -> GoldenSet:
    """A golden set with its version and its size."""
    return GoldenSet.model_validate(await _summary(retriever, name, golden_set))


@router.delete(
    GOLDEN_SET,
    status_code=204,
    operation_id="drop_golden_set",
    summary="Drop a golden set",
    responses=problem_responses(404),
)
async def drop_golden_set(
    name: CollectionName, golden_set: GoldenSetName, retriever: Writing
) -> None:
    """Remove a golden set with every version of it."""
    await retriever.golden_sets.drop(name, golden_set)


@router.get(
    GOLDEN_SET + "/queries",
    operation_id="list_golden_queries",
    summary="List the queries of a golden set",
    responses=problem_responses(404),
)
async def list_golden_queries(
    name: CollectionName, golden_set: GoldenSetName, retriever: Reading, version: Version = None
) -> GoldenQueryList:
    """The queries by key, each with the number of its judgements."""
    found = await retriever.read(queries_statement(name, golden_set, version))
    return GoldenQueryList(queries=[GoldenQuery.model_validate(each) for each in found])


@router.put(
    GOLDEN_SET + "/queries",
    operation_id="put_golden_queries",
    summary="Put queries into a golden set",
    responses=problem_responses(404, 413, 415),
)
async def put_golden_queries(
    name: CollectionName, golden_set: GoldenSetName, body: NewGoldenQueries, retriever: Writing
) -> ChangedGoldenSet:
    """Store queries, all of them or none; one whose key is there gets the new text."""
    named: dict[str, str] = {}
    for each in body.queries:
        if each.query_key is None:
            continue
        if each.query_key in named:
            raise InvalidInput(f"query_key {each.query_key!r} is given twice")
        named[each.query_key] = each.query_text
    async with _transaction(retriever) as connection:
        if named:
            await retriever.golden_sets.put(
                name, golden_set, Judgements(named, {}), connection=connection
            )
        keys = await _query_keys(retriever, name, golden_set, body.queries, connection)
        stored = await _summary(retriever, name, golden_set, connection)
    return ChangedGoldenSet(version=stored.version, query_keys=keys)


@router.delete(
    QUERY,
    status_code=204,
    operation_id="delete_golden_query",
    summary="Take a query out of a golden set",
    responses=problem_responses(404),
)
async def delete_golden_query(
    name: CollectionName, golden_set: GoldenSetName, query_key: QueryKey, retriever: Writing
) -> None:
    """Take a query out with its judgements; earlier versions keep both."""
    if query_key not in await retriever.golden_sets.queries(name, golden_set):
        raise NotFound(f"query {query_key} does not exist in golden set {golden_set}")
    await retriever.golden_sets.delete_queries(name, golden_set, [query_key])


@router.get(
    GOLDEN_SET + "/judgements",
    operation_id="list_judgements",
    summary="List the judgements of a golden set",
    responses=problem_responses(404),
)
async def list_judgements(
    name: CollectionName,
    golden_set: GoldenSetName,
    retriever: Reading,
    version: Version = None,
    query_key: Annotated[
        str | None, Query(description="Those of this query alone.", examples=["q1"])
    ] = None,
    query_text: Annotated[
        str | None,
        Query(description="Or of the query of this text.", examples=["how do I rotate a key?"]),
    ] = None,
) -> JudgementList:
    """The judgements by query, best grade first, with who judged and when."""
    if query_key is not None and query_text is not None:
        raise InvalidInput("query_text: give either it or query_key")
    picked = {"query_key": query_key, "query_text": query_text}
    found = await retriever.read(judgements_statement(name, golden_set, version, **picked))
    return JudgementList(judgements=[Judgement.model_validate(each) for each in found])


@router.put(
    GOLDEN_SET + "/judgements",
    operation_id="put_judgements",
    summary="Judge documents",
    responses=problem_responses(404, 413, 415),
)
async def put_judgements(
    name: CollectionName,
    golden_set: GoldenSetName,
    body: GivenJudgements,
    retriever: Writing,
    key: AskingKey,
) -> ChangedGoldenSet:
    """Store judgements, all of them or none, each in the place of the one that was there.

    A query that is named by its text and is not in the set yet is put there.
    """
    judge = _judge(body.judge, key)
    async with _transaction(retriever) as connection:
        keys = await _query_keys(retriever, name, golden_set, body.judgements, connection)
        for query_key, grades in _by_query(keys, body.judgements).items():
            version = await retriever.golden_sets.judge(
                name, golden_set, query_key, grades, judge=judge, connection=connection
            )
    return ChangedGoldenSet(version=version, query_keys=keys)


async def _query_keys(
    retriever: AsyncRetriever,
    name: str,
    golden_set: str,
    given: Sequence[NewGoldenQuery] | Sequence[GivenJudgement],
    connection: AsyncConnection,
) -> list[str]:
    """The key of each; what has only a text is added, unless the set has a query of that text."""
    add = partial(retriever.golden_sets.add_query, name, golden_set, connection=connection)
    return [each.query_key or await add(each.query_text or "") for each in given]


def _by_query(
    keys: Sequence[str], judgements: Sequence[GivenJudgement]
) -> dict[str, dict[str, int | None]]:
    """The grades of documents by query; InvalidInput for a document that has two."""
    grades: dict[str, dict[str, int | None]] = {}
    for key, each in zip(keys, judgements, strict=True):
        its = grades.setdefault(key, {})
        if each.document_key in its:
            raise InvalidInput(f"document {each.document_key!r} is judged twice for query {key!r}")
        its[each.document_key] = each.grade
    return grades


def _judge(given: str | None, key: ApiKey | None) -> str | None:
    """The name under which judgements are kept."""
    if key is None:
        return given
    if given not in (None, key.name):
        raise InvalidInput(f"judge: with this API key it is {key.name!r}")
    return key.name


@asynccontextmanager
async def _transaction(retriever: AsyncRetriever) -> AsyncIterator[AsyncConnection]:
    with database.translate_errors():
        async with retriever.engine.begin() as connection:
            yield connection


async def _summary(
    retriever: AsyncRetriever,
    name: str,
    golden_set: str,
    connection: AsyncConnection | None = None,
) -> GoldenSetSummary:
    for each in await retriever.golden_sets.list(name, connection=connection):
        if each.name == golden_set:
            return each
    raise NotFound(f"golden set {golden_set} does not exist in collection {name}")
