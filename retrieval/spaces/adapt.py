"""A query adapter for a space, from judged questions; kept only where it wins."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements
from retrieval.spaces.alignment import Vectors
from retrieval.spaces.query_adapter import QueryAdapter, fit_query_adapter
from retrieval.spaces.summary import space_row
from retrieval.steps import Compute, Query, Steps

# Every chunk is compared with every query: more than this does not fit into memory well.
MOST_CHUNKS = 1_000_000
BATCH = 5000


@dataclass(frozen=True, slots=True)
class AdaptedSpace:
    """What became of an adapter; without a gain on held-out queries none is kept.

    `ndcg` is the mean nDCG@10 over chunks without it, `gain` what it adds on queries that it was
    not fitted to, `least_gain` the lower bound of that gain's 95 % confidence interval.
    """

    space: str
    queries: int
    kept: bool
    ndcg: float | None = None
    gain: float | None = None
    least_gain: float | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    """The embeddings of a space, of shape (chunks, dimensions), and each chunk's document."""

    vectors: Vectors
    document_keys: list[str]


def adapt_steps(
    collection: str,
    known_spaces: KnownSpaces,
    judgements: Judgements,
    *,
    space: str | None = None,
) -> Steps[AdaptedSpace]:
    """Fit an adapter to the judged queries, and store it with the space if it wins."""
    row = yield Query(partial(_checked_row, collection=collection, space=space))
    stored = yield Query(partial(_stored, collection=collection, row=row))
    known = yield Compute(partial(known_spaces.known, row))
    adapter, count = yield Compute(partial(_fit, known, stored, judgements))
    if adapter is None:
        return AdaptedSpace(row.name, count, False)
    yield Query(partial(_store, collection=collection, row=row, adapter=adapter, queries=count))
    return AdaptedSpace(row.name, count, True, adapter.ndcg, adapter.gain, adapter.least_gain)


def _checked_row(connection: Connection, collection: str, space: str | None) -> Any:
    row = space_row(connection, collection, space, "dense")
    if row.kind != "dense" or row.metric != "cosine":
        raise InvalidInput(
            f"a query adapter needs a dense space with metric cosine; space {row.name} is "
            f"{row.kind} with metric {row.metric}"
        )
    if row.embeddings > MOST_CHUNKS:
        raise InvalidInput(f"space {row.name} has more than {MOST_CHUNKS} embeddings to compare")
    return row


def _stored(connection: Connection, collection: str, row: Any) -> _Stored:
    owner = select(orm.Collection.collection_id).where(orm.Collection.name == collection)
    collection_id = connection.scalar(owner)
    statement = (
        select(orm.Embedding.embedding, orm.Document.document_key)
        .join(
            orm.Chunk,
            (orm.Chunk.chunk_id == orm.Embedding.chunk_id)
            & (orm.Chunk.collection_id == collection_id)
            & orm.of_current_tenant(orm.Chunk),
        )
        .join(
            orm.Document,
            (orm.Document.document_id == orm.Chunk.document_id)
            & (orm.Document.collection_id == collection_id),
        )
        .where(orm.Embedding.space_id == row.space_id)
        .order_by(orm.Embedding.chunk_id)
    )
    vectors = np.empty((row.embeddings, row.dimensions), dtype=np.float32)
    keys: list[str] = []
    with connection.execute(statement, execution_options={"yield_per": BATCH}) as rows:
        for each in rows:
            if len(keys) == len(vectors):  # stored since they were counted
                break
            vectors[len(keys)] = each.embedding
            keys.append(each.document_key)
    return _Stored(vectors[: len(keys)], keys)


def _fit(
    known: KnownSpace, stored: _Stored, judgements: Judgements
) -> tuple[QueryAdapter | None, int]:
    """Fit to the queries of which a judged document is stored; a document stands for its chunks."""
    rows: dict[str, list[int]] = {}
    for number, key in enumerate(stored.document_keys):
        rows.setdefault(key, []).append(number)
    texts, grades = [], []
    for query, text in judgements.queries.items():
        found = {
            row: float(grade)
            for key, grade in judgements.relevance[query].items()
            if grade > 0
            for row in rows.get(key, ())
        }
        if found:
            texts.append(text)
            grades.append(found)
    if not texts:
        raise InvalidInput("no document that the judgements name is in the collection")
    queries = np.stack([np.asarray(each) for each in known.embed_queries(texts)])
    return fit_query_adapter(queries, stored.vectors, grades), len(texts)


def _store(
    connection: Connection, collection: str, row: Any, adapter: QueryAdapter, queries: int
) -> None:
    details = {
        "queries": queries,
        "strength": adapter.strength,
        "ndcg": adapter.ndcg,
        "gain": adapter.gain,
        "least_gain": adapter.least_gain,
    }
    # rows of the transpose: the database takes inner products with a query
    connection.execute(
        orm.set_query_adapter_statement(
            collection, row.name, list(adapter.matrix.T), adapter.offset, details
        )
    )
