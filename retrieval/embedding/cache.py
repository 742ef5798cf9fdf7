"""Embeds texts that were not embedded before; the others come from the embedding cache."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding.embedder import Embedding
from retrieval.embedding.spaces import KnownSpace
from retrieval.settings import Settings
from retrieval.steps import Compute, Query, Steps


def embed_documents(space: KnownSpace, texts: Sequence[str]) -> Steps[list[Embedding]]:
    """The embeddings of texts in a space, in their order; equal texts are embedded once."""
    hashes = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts]
    by_hash = dict(zip(hashes, texts, strict=True))
    found: dict[bytes, Embedding] = {}
    cached = bool(Settings().embedding_cache_bytes and space.signature)
    if cached and by_hash:
        found = yield Query(lambda connection: _cached(connection, space, list(by_hash)))
    missing = [digest for digest in by_hash if digest not in found]
    if missing:
        new = yield Compute(
            lambda: space.embedder.embed_documents([by_hash[digest] for digest in missing])
        )
        found |= zip(missing, new, strict=True)
        if cached:
            yield Query(lambda connection: _cache(connection, space, missing, list(new)))
    return [found[digest] for digest in hashes]


def _cached(
    connection: Connection, space: KnownSpace, hashes: Sequence[bytes]
) -> dict[bytes, Embedding]:
    statement = orm.cached_embeddings_statement(space.kind, space.signature, hashes)
    return {row.text_hash: row.embedding for row in connection.execute(statement)}


def _cache(
    connection: Connection,
    space: KnownSpace,
    hashes: Sequence[bytes],
    embeddings: Sequence[Embedding],
) -> None:
    connection.execute(
        orm.cache_embeddings_statement(space.kind, space.signature, hashes, embeddings, connection)
    )


def trim_cache(connection: Connection) -> None:
    """Bring the cache back to the size that the settings allow."""
    maximum = Settings().embedding_cache_bytes
    connection.execute(select(orm.call("trim_embedding_cache", maximum_bytes=maximum)))
