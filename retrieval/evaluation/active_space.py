"""The embedder that a collection is searched with."""

from retrieval.embedding import Embedder
from retrieval.errors import NotFound
from retrieval.search import Retriever
from retrieval.search.statements import space_statement


def active_embedder(retriever: Retriever, collection: str) -> Embedder | None:
    """That of the active dense space of texts, if there is one; NotFound without collection."""
    rows = retriever.read(space_statement(collection, None, "dense", modality="text"))
    if not rows:
        raise NotFound(f"collection {collection} does not exist")
    return None if rows[0].name is None else retriever._spaces.known(rows[0]).embedder
