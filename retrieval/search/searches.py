"""Searches as steps, which the synchronous and the asynchronous retriever run alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Select, select

from retrieval import orm
from retrieval.embedding.spaces import KnownSpaces, is_stale
from retrieval.errors import InvalidInput, NotReady, SpaceMismatch
from retrieval.observing import observer
from retrieval.search.default_rerankers import DefaultRerankers
from retrieval.search.observed import observed_rows
from retrieval.search.queries import (
    Queries,
    check_steps,
    embedding_step,
    query_steps,
    space_steps,
)
from retrieval.search.request import KINDS, SearchRequest, WantedSpace
from retrieval.search.rerank import LATE_INTERACTION, KnownRerankers, Reranking, rerank_hits
from retrieval.search.results import DocumentHit, Hit, PassageHit
from retrieval.search.search_statements import (
    Statement,
    documents_statement,
    explain_statement,
    search_statement,
)
from retrieval.search.token_scores import token_scores
from retrieval.steps import Compute, Query, Read, Steps

Build = Callable[[SearchRequest, Queries], Statement]


@dataclass(frozen=True, slots=True)
class Searches:
    """Searches with the models that a retriever has met.

    `retry`: where the database refuses a remembered space, another process may have activated
    another one, and the search is tried once more; not so in the caller's transaction, in which
    nothing more can be done.
    """

    spaces: KnownSpaces
    rerankers: KnownRerankers = field(default_factory=KnownRerankers)
    default_rerankers: DefaultRerankers = field(default_factory=DefaultRerankers)

    def hits(
        self, request: SearchRequest, rerank: Any, rerank_candidates: int | None, *, retry: bool
    ) -> Steps[list[Hit]]:
        """The best chunks, ordered again where that is asked for, or how the collection is set."""
        if rerank is None and request.query.strip():
            default = yield from self.default_rerankers.of(request.collection)
            if default is not None:
                rerank = default["model"]
                if rerank_candidates is None and "candidates" in default:
                    rerank_candidates = max(default["candidates"], request.max_results)
        reranking = self.rerankers.reranking(rerank, request, rerank_candidates)
        if reranking is None:
            return (yield from self.found(request, retry=retry))
        hits = yield from self.found(reranking.request, retry=retry)
        if reranking.reranker is None:
            return (yield from self._by_tokens(reranking, hits))
        with observer().stage("rerank"):
            best: list[Hit] = yield Compute(partial(reranking.best, reranking.reranker, hits))
        return best

    def found(self, request: SearchRequest, *, retry: bool) -> Steps[list[Hit]]:
        """The best chunks as they are found."""
        return hits_of((yield from self._rows(request, search_statement, retry)))

    def _by_tokens(self, reranking: Reranking, hits: Sequence[Hit]) -> Steps[list[Hit]]:
        request = reranking.request
        wanted = WantedSpace(LATE_INTERACTION, None, KINDS[LATE_INTERACTION])
        space = yield from space_steps(request.collection, wanted, self.spaces)
        with observer().stage("rerank"):
            query = yield embedding_step(request.query, space, self.spaces)
            scores = yield from token_scores(request.collection, space, query, hits)
        return rerank_hits(hits, scores)[reranking.page]

    def documents(
        self, request: SearchRequest, aggregation: str | None, *, retry: bool
    ) -> Steps[list[DocumentHit]]:
        """The best documents."""
        build = partial(documents_statement, aggregation=aggregation)
        rows = yield from self._rows(request, build, retry)
        return [DocumentHit(**row._mapping) for row in rows]

    def explanation(self, request: SearchRequest, *, retry: bool) -> Steps[dict[str, Any]]:
        """How hybrid search comes to its ranking."""
        if request.is_empty:
            raise InvalidInput("there is nothing to explain: the query is empty")
        ((explanation,),) = yield from self._rows(request, explain_statement, retry)
        found: dict[str, Any] = explanation
        return found

    def _rows(self, request: SearchRequest, build: Build, retry: bool) -> Steps[list[Any]]:
        if request.is_empty:
            yield from check_steps(request)
            return []
        try:
            return (yield from self._rows_once(request, build))
        except (SpaceMismatch, NotReady) as error:
            if not retry or not is_stale(error):
                raise
        self.spaces.forget(request.collection)
        return (yield from self._rows_once(request, build))

    def _rows_once(self, request: SearchRequest, build: Build) -> Steps[list[Any]]:
        queries = yield from query_steps(request, self.spaces)
        only_leg = request.only_leg if build is search_statement else None
        return (yield from observed_rows(*build(request, queries), request, only_leg))


def rows(statement: Select[Any], parameters: Mapping[str, Any] | None = None) -> Steps[list[Any]]:
    """The rows of a statement that only reads."""
    found: list[Any] = yield Read(
        lambda connection: list(connection.execute(statement, parameters))
    )
    return found


def written_rows(statement: Select[Any]) -> Steps[list[Any]]:
    """The rows of a statement that writes."""
    found: list[Any] = yield Query(lambda connection: list(connection.execute(statement)))
    return found


def hits_of(found: Sequence[Any]) -> list[Hit]:
    """Rows of a search as hits."""
    return [Hit(**row._mapping) for row in found]


def found_hits(found: Any) -> Steps[list[Hit]]:
    """The hits of a selectable."""
    return hits_of((yield from rows(select(*found.c))))


def found_passages(
    collection: str, hits: Sequence[Any], before: int, after: int
) -> Steps[list[PassageHit]]:
    """The passages that hits are part of, in the order of the hits, whatever that is by."""
    scores: Mapping[int, float] = {hit.chunk_id: hit.score for hit in hits}
    passages = orm.passages(collection, [hit.chunk_id for hit in hits], before=before, after=after)
    found = yield from rows(select(*passages.c))
    return [
        PassageHit(**{**row._mapping, "score": max(scores[each] for each in row.hit_ids)})
        for row in found
    ]
