"""The spaces that a retriever has met, with the embedders that fit them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retrieval.embedding import Embedder, Signature, create_embedder
from retrieval.errors import NotFound, RetrievalError, SpaceMismatch


@dataclass(frozen=True, slots=True)
class KnownSpace:
    """A space whose signature was compared with its embedder's."""

    name: str
    signature: Mapping[str, Any]
    embedder: Embedder


class KnownSpaces:
    """Spaces by collection and name; the name None is the active one.

    What is remembered may grow old when another process activates another space. The database then
    refuses the remembered signature, and the caller forgets and asks again.
    """

    def __init__(self, embedder: Embedder | None) -> None:
        self.embedder = embedder
        self._embedders: dict[str, Embedder] = {embedder.model: embedder} if embedder else {}
        self._spaces: dict[tuple[str, str | None], KnownSpace] = {}

    def get(self, collection: str, space: str | None) -> KnownSpace | None:
        """The space if it is known."""
        return self._spaces.get((collection, space))

    def learn(self, collection: str, space: str | None, row: Any | None) -> KnownSpace | None:
        """Take in what `space_statement` found; SpaceMismatch where no embedder fits it.

        A collection without an active space is None; a collection or a named space that does not
        exist is NotFound.
        """
        if row is None:
            raise NotFound(f"collection {collection} does not exist")
        if row.name is None:
            if space is not None:
                raise NotFound(f"space {space} does not exist in collection {collection}")
            return None
        embedder = self._fitting(row.model)
        check_signature(embedder, row.name, row.signature)
        known = KnownSpace(row.name, row.signature, embedder)
        self._spaces[collection, space] = known
        return known

    def remember(self, embedder: Embedder) -> None:
        """Use this embedder for the spaces of its model."""
        self._embedders[embedder.model] = embedder

    def forget(self, collection: str) -> None:
        """Drop what is known about a collection."""
        self._spaces = {key: known for key, known in self._spaces.items() if key[0] != collection}

    def _fitting(self, model: str) -> Embedder:
        if self.embedder is not None:
            return self.embedder
        if model not in self._embedders:
            self._embedders[model] = create_embedder(model)
        return self._embedders[model]


def check_signature(embedder: Embedder, space: str, signature: Mapping[str, Any]) -> None:
    """Raise SpaceMismatch unless the embedder makes vectors that belong into the space."""
    if not signature:
        return
    stored = Signature.from_json(dict(signature))
    if not embedder.signature.matches(stored):
        differing = "; ".join(embedder.signature.differences(stored))
        raise SpaceMismatch(f"the model {embedder.model} does not fit space {space}: {differing}")


def is_stale(error: RetrievalError) -> bool:
    """Whether the database refused a remembered space, rather than this process an embedder."""
    return error.__cause__ is not None
