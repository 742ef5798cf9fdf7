"""Collections that tenants share, and what they say when ids are named by their documents."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from statements import Session, column, put, value, vector
from vectors import sparse

WORDS = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"]
DIMENSIONS = 4
DOCUMENTS = 30
TOGETHER = 10
TENANTS = ("acme", "bolt", "")
# of the collection or of the clock, and how it was found rather than what
OTHERS = {
    "collection_id",
    "space_id",
    "plan",
    "milliseconds",
    "created_at",
    "updated_at",
    "activated_at",
    "bytes",
    "at",
}
IDS = {"chunk_id", "document_id", "chunk_ids", "hit_ids", "duplicates"}


def enter(session: Session, tenant: str) -> None:
    """Go into a tenant for the rest of the session."""
    session.execute("select set_config('retrieval.tenant', %s, false)", [tenant])


def document(tenant: str, number: int) -> dict[str, Any]:
    """A document; every tenant has others under the same keys, and words of its own among them."""
    numbers = np.random.default_rng([len(tenant), number])
    own = f"{tenant or 'none'}word"
    chunks = [
        " ".join([*numbers.choice(WORDS, size=numbers.integers(1, 12)), own])
        for _ in range(numbers.integers(1, 4))
    ]
    return {
        "document_key": f"{number:02}",
        "title": str(numbers.choice(WORDS)),
        "content": "\n".join(chunks),
        "metadata": {"n": number, "owner": own, "kind": str(numbers.choice(["x", "y"]))},
        "chunks": [{"content": chunk} for chunk in chunks],
    }


def embeddings(tenant: str, number: int, chunks: int) -> list[list[float]]:
    """Vectors of small whole numbers, so that there are ties; none of zeros."""
    numbers = np.random.default_rng([len(tenant), number, 7])
    return (numbers.integers(-2, 3, size=(chunks, DIMENSIONS)) + 0.25).tolist()


def store(session: Session, collection: str, tenant: str, numbers: Iterable[int]) -> None:
    """Put a tenant's documents and their embeddings, as an ingestion of the tenant does."""
    enter(session, tenant)
    documents = [document(tenant, number) for number in numbers]
    ids = [row.chunk_id for row in put(session, collection, *documents)]
    rows = [
        row
        for each in documents
        for row in embeddings(tenant, each["metadata"]["n"], len(each["chunks"]))
    ]
    dense, lists = [vector(row) for row in rows], [sparse(row) for row in rows]
    stored = (
        ("put_embeddings", "s", ids, dense),
        ("put_sparse_embeddings", "terms", ids, lists),
        ("put_token_embeddings", "tokens", ids, [1] * len(ids), dense),
    )
    types = {"put_sparse_embeddings": "sparsevec[]"}
    for function, space, *arguments in stored:
        given = ", ".join(["%s"] * (len(arguments) - 1))
        call = (
            f"select retrieval.{function}(%s, %s, {given}, %s::{types.get(function, 'halfvec[]')})"
        )
        assert value(session, call, [collection, space, *arguments]) == len(ids)


def create(session: Session, collection: str, tenants: Sequence[str]) -> None:
    """A collection of these tenants' documents, stored by turns, with a space of every kind."""
    enter(session, "")
    session.execute("select retrieval.create_collection(%s)", [collection])
    for space, kind in (("s", "dense"), ("terms", "sparse"), ("tokens", "multivector")):
        created = "select retrieval.create_space(%s, %s, 'model', %s, %s)"
        session.execute(created, [collection, space, DIMENSIONS, kind])
    for first in range(0, DOCUMENTS, TOGETHER):
        for tenant in tenants:
            store(session, collection, tenant, range(first, first + TOGETHER))
    enter(session, "")
    for space, kind in (("s", "dense"), ("terms", "sparse"), ("tokens", "multivector")):
        session.execute("select retrieval.build_index(%s, %s, %s)", [collection, space, kind])
        session.execute("select retrieval.activate_space(%s, %s)", [collection, space])


class Names:
    """Names chunks and documents by tenant, key and position."""

    def __init__(self, session: Session) -> None:
        self._chunks = {
            row[0]: list(row[1:])
            for row in session.execute(
                "select c.chunk_id, d.tenant, d.document_key, c.position from retrieval.chunks c"
                " join retrieval.documents d using (document_id, collection_id)"
            )
        }
        self._documents = {
            row[0]: list(row[1:])
            for row in session.execute(
                "select document_id, tenant, document_key from retrieval.documents"
            )
        }

    def told(self, found: Any, key: str = "") -> Any:
        """What was found, with names for ids and without what tells collections apart."""
        if isinstance(found, dict):
            return {k: self.told(v, k) for k, v in found.items() if k not in OTHERS}
        if isinstance(found, list):
            return [self.told(each, key) for each in found]
        if key in IDS and isinstance(found, int):
            return (self._documents if key == "document_id" else self._chunks)[found]
        return found


def rows(session: Session, statement: str, arguments: dict[str, Any]) -> list[Any]:
    """The rows of a statement as JSON, so that arrays and objects in them are compared too."""
    return column(session, f"select to_jsonb(r) from ({statement}) r", arguments)
