"""The spaces that a retriever has met, with the embedders that fit them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from retrieval.document import Modality
from retrieval.embedding import Embedder, Embedding, Kind, Signature, create_embedder
from retrieval.embedding.backend import backend_for
from retrieval.embedding.embedder import BatchingEmbedder
from retrieval.embedding.query_batches import QueryBatches
from retrieval.errors import InvalidInput, NotFound, RetrievalError, SpaceMismatch


@dataclass(frozen=True, slots=True)
class KnownSpace:
    """A space whose signature was compared with its embedder's."""

    name: str
    signature: Mapping[str, Any]
    embedder: Embedder
    space_id: int = 0
    state: str = "active"
    modality: Modality = "text"

    @property
    def kind(self) -> Kind:
        """The kind of its embeddings."""
        return self.embedder.kind

    def embed_queries(self, queries: Iterable[str]) -> list[Embedding]:
        """The embeddings of queries, in their order."""
        return [self.embedder.embed_query(query) for query in queries]


class KnownSpaces:
    """Spaces by collection, name and kind; the name None is the active one of the kind.

    What is remembered may grow old when another process activates another space. The database then
    refuses the remembered signature, and the caller forgets and asks again.
    """

    def __init__(self, embedder: Embedder | None) -> None:
        self.embedder = embedder
        self.calibrated_at: dict[int, int] = {}  # by space_id: of how many chunks
        self._embedders: list[Embedder] = [embedder] if embedder else []
        self._batches: dict[int, QueryBatches] = {}
        self._spaces: dict[tuple[str, str | None, Kind | None], KnownSpace] = {}

    def get(self, collection: str, space: str | None, kind: Kind | None) -> KnownSpace | None:
        """The space if it is known."""
        return self._spaces.get((collection, space, kind))

    def learn(
        self, collection: str, space: str | None, kind: Kind | None, row: Any | None
    ) -> KnownSpace | None:
        """Take in what `space_statement` found; SpaceMismatch where no embedder fits it.

        A collection without an active space of the kind is None; a collection or a named space that
        does not exist is NotFound. A space of any kind (None) brings its own model.
        """
        if not check_found(collection, space, kind, row):
            return None
        if kind is not None and self.embedder is not None and self.embedder.kind == kind:
            self._check_given(row)
        known = self.known(row)
        self._spaces[collection, space, kind] = known
        return known

    def known(self, row: Any) -> KnownSpace:
        """A row of `retrieval.spaces` with an embedder that fits it.

        An embedder that the caller gave comes first, then one made from the model's name.
        """
        embedder = _fitting(self._embedders, self.embedder, row)
        if embedder is None:
            embedder = _created(row)
            check_signature(embedder, row.name, row.signature)
            self.remember(embedder)
        return KnownSpace(row.name, row.signature, embedder, row.space_id, row.state, row.modality)

    def _check_given(self, row: Any) -> None:
        """Who gave an embedder, for texts, does not want another one loaded by its name."""
        if self.embedder is None or row.modality != "text":
            return
        if _fitting(self._embedders, self.embedder, row) is None:
            check_signature(self.embedder, row.name, row.signature)

    def batches(self, embedder: Embedder) -> QueryBatches | None:
        """The queries that wait for an embedder; None where it has nothing from batches."""
        batches = self._batches.get(id(embedder))
        if batches is None and hasattr(embedder, "embed_queries"):
            batches = QueryBatches(cast(BatchingEmbedder, embedder))
            batches = self._batches.setdefault(id(embedder), batches)
        return batches

    def remember(self, embedder: Embedder) -> None:
        """Use this embedder for the spaces that it fits."""
        if embedder not in self._embedders:
            self._embedders.append(embedder)

    def forget(self, collection: str) -> None:
        """Drop what is known about a collection."""
        self._spaces = {key: known for key, known in self._spaces.items() if key[0] != collection}


def check_found(collection: str, space: str | None, kind: Kind | None, row: Any | None) -> bool:
    """Whether `space_statement` found a space; NotFound or InvalidInput where it should have."""
    if row is None:
        raise NotFound(f"collection {collection} does not exist")
    if row.name is None and space is not None:
        raise NotFound(f"space {space} does not exist in collection {collection}")
    if row.name is not None and kind not in (None, row.kind):
        raise InvalidInput(f"space {row.name} is {row.kind}, not {kind}")
    return row.name is not None


def _fitting(embedders: Iterable[Embedder], given: Embedder | None, row: Any) -> Embedder | None:
    """The first embedder whose vectors belong into a space.

    Comparing signatures loads the model, so only those are compared that may be the space's: of its
    name, or given by the caller, who may have the same weights in another place.
    """
    for embedder in embedders:
        if embedder.kind != row.kind or (embedder is not given and embedder.model != row.model):
            continue
        if not row.signature:
            if embedder.dimensions == row.dimensions:
                return embedder
        elif embedder.signature.matches(Signature.from_json(dict(row.signature))):
            return embedder
    return None


def _created(row: Any) -> Embedder:
    """An embedder by the name of a space's model, shortened where the space is."""
    options = {"kind": row.kind, "backend": backend_for(row.signature)}
    embedder = create_embedder(row.model, **options)
    if row.kind != "dense" or embedder.dimensions == row.dimensions:
        return embedder
    return create_embedder(row.model, dimensions=row.dimensions, **options)


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
