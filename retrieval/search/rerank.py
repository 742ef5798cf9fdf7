"""Orders the hits of a search again, by scores of a model that reads query and text together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from retrieval.embedding.embedder import Floats
from retrieval.errors import InvalidInput
from retrieval.reranking import Reranker, create_reranker
from retrieval.search.request import SearchRequest
from retrieval.search.results import Hit
from retrieval.settings import Settings

# instead of a model's name: by the token embeddings that are stored
LATE_INTERACTION = "late_interaction"
DEFAULT_CANDIDATES = 50
MOST_HITS = 10_000  # that the SQL functions return


def rerank_hits(hits: Sequence[Hit], scores: Sequence[float] | Floats) -> list[Hit]:
    """Return the hits by their scores, one for each hit, best first; ties keep their order.

    A score that is not a finite number is none: its hits come last, in the order they had.
    """
    given = np.asarray(scores, dtype=np.float64)
    if given.shape != (len(hits),):
        raise InvalidInput(f"scores of shape {given.shape} cannot order {len(hits)} hits")
    scored = [
        replace(hit, rerank_score=score if isfinite(score) else None)
        for hit, score in zip(hits, given.tolist(), strict=True)
    ]
    return sorted(scored, key=_place)


def _place(hit: Hit) -> tuple[bool, float]:
    return hit.rerank_score is None, -(hit.rerank_score or 0.0)


def reranked_text(hit: Hit) -> str:
    """Return what the model reads of a hit: title and content; a hit has no path of headings."""
    return "\n".join(part for part in (hit.title, hit.content) if part)


@dataclass(frozen=True, slots=True)
class Reranking:
    """The second half of one search: its request fetches the hits of which a page is kept.

    Pages are cut after all of them were ordered again, so that none has what is on another. Without
    a reranker the hits' token embeddings are compared with the query's, see `token_scores`.
    """

    reranker: Reranker | None
    request: SearchRequest
    page: slice

    def best(self, reranker: Reranker, hits: Sequence[Hit]) -> list[Hit]:
        """Score the hits, which may load the model, and keep the best."""
        if not hits:
            return []
        scores = reranker.score(self.request.query, [reranked_text(hit) for hit in hits])
        try:
            return rerank_hits(hits, scores)[self.page]
        except InvalidInput as error:
            raise InvalidInput(f"reranker {reranker.model}: {error}") from error


class KnownRerankers:
    """The rerankers that a retriever has been asked for, by name."""

    def __init__(self) -> None:
        self._rerankers: dict[str, Reranker] = {}

    def reranking(
        self, rerank: Any, request: SearchRequest, candidates: int | None
    ) -> Reranking | None:
        """How the hits of a request are ordered again; None where that was not asked for."""
        if rerank is None or rerank is False:
            return None
        reranker = None if rerank == LATE_INTERACTION else self._chosen(rerank)
        if not request.is_empty and not request.query.strip():
            raise InvalidInput("rerank needs the text of the query, not only its embedding")
        first, wanted = request.result_offset or 0, request.max_results
        fetched = replace(
            request,
            max_results=_checked(candidates, wanted, first),
            # a page, if only the first one, is one of hybrid search
            result_offset=None if request.result_offset is None else 0,
        )
        return Reranking(reranker, fetched, slice(first, first + wanted))

    def _chosen(self, rerank: Any) -> Reranker:
        if isinstance(rerank, Reranker):
            return rerank
        if rerank is not True and not isinstance(rerank, str):
            raise InvalidInput(f"rerank must be a bool, a name or a Reranker, not {rerank!r}")
        reranker = create_reranker(Settings().reranker if rerank is True else rerank)
        return self._rerankers.setdefault(reranker.model, reranker)


def _checked(candidates: int | None, max_results: int, result_offset: int) -> int:
    """How many hits to fetch; the database would name the wrong argument."""
    if not 1 <= max_results <= MOST_HITS:
        raise InvalidInput(f"max_results must be between 1 and {MOST_HITS}, not {max_results}")
    if result_offset < 0:
        raise InvalidInput(f"result_offset must be 0 or more, not {result_offset}")
    if candidates is None:
        candidates = max(DEFAULT_CANDIDATES, max_results)
    elif not max_results <= candidates <= MOST_HITS:
        raise InvalidInput(
            f"rerank_candidates must be between max_results, which is {max_results}, "
            f"and {MOST_HITS}, not {candidates}"
        )
    if result_offset + max_results > candidates and result_offset:
        raise InvalidInput(
            f"result_offset + max_results must be at most rerank_candidates, which is "
            f"{candidates}, not {result_offset + max_results}"
        )
    return candidates
