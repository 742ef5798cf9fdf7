"""Hits as the log of queries keeps them: keys, and scores that queries can be compared by."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from retrieval.search.results import DocumentHit, Hit


class Shown(NamedTuple):
    """The arguments of log_query that hits are told in."""

    document_keys: list[str]
    scores: list[float | None]
    scored_by: str | None


def shown(hits: "Sequence[Hit | DocumentHit]") -> Shown:
    """The keys of hits in their order, and the score of each, in whichever kind all queries share.

    That of a reranker or a similarity is on one scale for all queries; a fused score tells at best
    how far the legs agree, and takes their place only where there is neither.
    """
    keys = [hit.document_key for hit in hits]
    for kind in ("rerank_score", "semantic_score"):
        scores = [getattr(hit, kind, None) for hit in hits]
        if any(score is not None for score in scores):
            return Shown(keys, scores, kind)
    return Shown(keys, [hit.score for hit in hits], "score" if hits else None)


def told(details: Mapping[str, Any] | None, scored_by: str | None) -> dict[str, Any]:
    """Details whose settings also say what the scores are."""
    given = dict(details or {})
    if scored_by is not None:
        settings = given.get("settings")
        by = {"scored_by": scored_by}
        if settings is None or isinstance(settings, Mapping):
            given["settings"] = {**(settings or {}), **by}
        else:
            given["settings"] = {"settings": settings, **by}
    return given
