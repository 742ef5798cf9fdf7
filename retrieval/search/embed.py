"""Embeds texts as a collection does, for programs that compare vectors themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection

from retrieval.embedding.embedder import Floats
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import NotReady
from retrieval.loading.normalise import normalise_text
from retrieval.search.statements import space_statement
from retrieval.steps import Compute, Query, Steps


@dataclass(frozen=True, slots=True)
class TextEmbeddings:
    """Embeddings of texts, one row for each, and how many tokens the texts have."""

    space: str
    model: str
    embeddings: Floats
    tokens: int


def embed_steps(
    collection: str,
    texts: Sequence[str],
    space: str | None,
    queries: bool,
    known_spaces: KnownSpaces,
) -> Steps[TextEmbeddings]:
    """Embed texts with the model of a dense space.

    The database is always asked which space that is: nothing would notice the vectors of one that
    was the active one before.
    """

    def row(connection: Connection) -> Any:
        return connection.execute(space_statement(collection, space, "dense")).one_or_none()

    found = yield Query(row)
    known = yield Compute(partial(known_spaces.learn, collection, space, "dense", found))
    if known is None:
        raise NotReady(f"collection {collection} has no active dense space")
    normalised = [normalise_text(text) for text in texts]
    embedded: TextEmbeddings = yield Compute(partial(_embed, known, normalised, queries))
    return embedded


def _embed(space: KnownSpace, texts: Sequence[str], queries: bool) -> TextEmbeddings:
    embedder = space.embedder
    made: Any = space.embed_queries(texts) if queries else embedder.embed_documents(texts)
    embeddings = np.asarray(made, dtype=np.float32).reshape(len(texts), embedder.dimensions)
    tokens = sum(embedder.count_tokens(text) for text in texts)
    return TextEmbeddings(space.name, embedder.model, embeddings, tokens)
