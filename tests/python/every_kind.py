"""Spaces of every kind beside a collection's dense one, by models that need no weights."""

from retrieval import (
    HashingEmbedder,
    MultiVectorHashingEmbedder,
    Retriever,
    SparseHashingEmbedder,
)

SPARSE = SparseHashingEmbedder()
TOKENS = MultiVectorHashingEmbedder()
SMALL = HashingEmbedder(16)


def add_spaces(retriever: Retriever, collection: str = "handbook") -> None:
    """The active spaces `words` and `tokens`, and the dense `small`, which is not active."""
    for name, embedder in {"words": SPARSE, "tokens": TOKENS, "small": SMALL}.items():
        retriever.spaces.create(collection, embedder, space=name)
        retriever.spaces.fill(collection, name)
        if embedder is not SMALL:
            retriever.spaces.activate(collection, name)
