"""Embeds texts that were not embedded before; the others come from the embedding cache."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.embedding.embedder import Embedding
from retrieval.embedding.spaces import KnownSpace
from retrieval.observing import observer
from retrieval.settings import Settings
from retrieval.steps import Compute, Query, Steps


def embed_documents(space: KnownSpace, texts: Sequence[str]) -> Steps[list[Embedding]]:
    """The embeddings of texts in a space, in their order; equal texts are embedded once."""
    hashes = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts]
    by_hash = dict(zip(hashes, texts, strict=True))

    def embed(missing: Sequence[bytes]) -> Mapping[bytes, Embedding]:
        new = space.embedder.embed_documents([by_hash[digest] for digest in missing])
        return dict(zip(missing, new, strict=True))

    found = yield from embed_hashed(space, by_hash, embed)
    return [found[digest] for digest in hashes]


def embed_hashed(
    space: KnownSpace,
    hashes: Iterable[bytes],
    embed: Callable[[Sequence[bytes]], Mapping[bytes, Embedding]],
) -> Steps[dict[bytes, Embedding]]:
    """The embeddings of what has these hashes; `embed` makes those that the cache does not hold.

    What it does not return could not be embedded, and is not in the result.
    """
    wanted = list(dict.fromkeys(hashes))
    found: dict[bytes, Embedding] = {}
    cached = bool(Settings().embedding_cache_bytes and space.signature)
    if cached and wanted:
        found = yield Query(lambda connection: _cached(connection, space, wanted))
        observer().cached(len(found), len(wanted) - len(found))
    missing = [digest for digest in wanted if digest not in found]
    if missing:
        new = yield Compute(partial(_observed, embed, missing))
        found |= new
        if cached and new:
            yield Query(lambda connection: _cache(connection, space, [*new], [*new.values()]))
    return found


def _observed(
    embed: Callable[[Sequence[bytes]], Mapping[bytes, Embedding]], hashes: Sequence[bytes]
) -> Mapping[bytes, Embedding]:
    with observer().stage("embed_documents", texts=len(hashes)):
        return embed(hashes)


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
