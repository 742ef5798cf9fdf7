"""Two spaces side by side on the same questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements
from retrieval.steps import Compute, Query, Steps

CUT = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two spaces find for the same questions.

    `overlap` is the mean share of the first ten chunks that both find. nDCG@10 over documents is
    there where the questions are judged.
    """

    queries: int
    overlap: float
    former_ndcg: float | None = None
    new_ndcg: float | None = None


def compare_steps(
    collection: str,
    former: KnownSpace,
    new: KnownSpace,
    queries: Sequence[str] | Judgements,
) -> Steps[Comparison]:
    """Ask both spaces, neither of which need be the active one."""
    judgements = queries if isinstance(queries, Judgements) else None
    texts = list(judgements.queries.values()) if judgements else list(queries)  # type: ignore[arg-type]
    if not texts:
        raise InvalidInput("there is no query to compare spaces with")
    for space in (former, new):
        if space.kind != "dense":
            raise InvalidInput(f"only dense spaces are compared; {space.name} is {space.kind}")
    found = []
    for space in (former, new):
        embeddings = yield Compute(partial(space.embed_queries, texts))
        found.append((yield Query(partial(_hits, collection, space, embeddings))))
    overlap = sum(
        len(_chunks(one) & _chunks(other)) / max(1, min(CUT, max(len(one), len(other))))
        for one, other in zip(*found, strict=True)
    ) / len(texts)
    if judgements is None:
        return Comparison(len(texts), overlap)
    scores = [_ndcg(judgements, hits) for hits in found]
    return Comparison(len(texts), overlap, *scores)


def _hits(
    collection: str, space: KnownSpace, embeddings: Sequence[Any], connection: Connection
) -> list[list[Any]]:
    found = []
    for embedding in embeddings:
        hits = orm.semantic_search(
            collection,
            embedding,
            max_results=3 * CUT,  # a document may have several chunks among them
            space=space.name,
            signature=dict(space.signature),
        )
        columns = (hits.c.chunk_id, hits.c.document_key, hits.c.score)
        found.append(list(connection.execute(select(*columns))))
    return found


def _chunks(hits: Sequence[Any]) -> set[int]:
    return {hit.chunk_id for hit in hits[:CUT]}


def _ndcg(judgements: Judgements, found: Sequence[Sequence[Any]]) -> float:
    import ir_measures  # takes a while to import

    measure = ir_measures.nDCG @ CUT
    run: dict[str, Mapping[str, float]] = {}
    for query, hits in zip(judgements.queries, found, strict=True):
        best: dict[str, float] = {}
        for hit in hits:
            best.setdefault(hit.document_key, hit.score)
        run[query] = best
    measured = ir_measures.calc_aggregate([measure], judgements.relevance, run)
    return float(measured[measure])
