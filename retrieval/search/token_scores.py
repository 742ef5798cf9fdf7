"""Scores of hits by their stored token embeddings, computed here rather than in the database."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding.embedder import Floats
from retrieval.embedding.spaces import KnownSpace
from retrieval.reranking.late_interaction import max_sim_scores, unpacked_tokens
from retrieval.search.results import Hit
from retrieval.steps import Compute, Read, Steps


def token_scores(
    collection: str, space: KnownSpace, query: Floats, hits: Sequence[Hit]
) -> Steps[Floats]:
    """The score of each hit by the tokens of the query, NaN for a hit without token embeddings."""
    chunks = [hit.chunk_id for hit in hits]
    rows = yield Read(partial(_packed, collection=collection, chunks=chunks, space=space.name))
    scores: Floats = yield Compute(partial(_scores, query, chunks, rows))
    return scores


def _packed(connection: Connection, collection: str, chunks: list[int], space: str) -> Any:
    packed = orm.packed_tokens(collection, chunks, space=space)
    return connection.execute(select(*packed.c)).all()


def _scores(query: Floats, chunks: Sequence[int], rows: Sequence[Any]) -> Floats:
    tokens = {row.chunk_id: unpacked_tokens(row.vectors, row.tokens) for row in rows}
    found = max_sim_scores(np.asarray(query), list(tokens.values()))
    by_chunk = dict(zip(tokens, found.tolist(), strict=True))
    return np.array([by_chunk.get(chunk, np.nan) for chunk in chunks], dtype=np.float32)
