"""A model that does not fit is refused; a space that another process activated is used."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from retrieval import Document, HashingEmbedder, Retriever, Signature, SpaceMismatch
from retrieval.embedding import create_embedder
from retrieval.orm import call
from retrieval.search.statements import create_collection_statements

KEYS = Document("keys", "Rotate a key every month.")


class OtherPooling(HashingEmbedder):
    """Has the same name and size, and makes other vectors."""

    @property
    def signature(self) -> Signature:
        return replace(super().signature, pooling="mean", prompts={"query": "q: ", "document": ""})


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (HashingEmbedder(64, max_tokens=256), r"max_tokens: 256 ≠ 128$"),
        (HashingEmbedder(32), r"model: hashing:32 ≠ hashing; dimensions: 32 ≠ 64$"),
        (OtherPooling(), r"pooling: mean ≠ sum; prompts: "),
    ],
)
def test_another_model_is_an_error(
    retriever: Retriever, database_url: str, other: HashingEmbedder, named: str
) -> None:
    retriever.ingest("handbook", [KEYS])
    with Retriever.open(database_url, embedder=other) as wrong:
        for attempt in (
            lambda: wrong.search("handbook", "key"),
            lambda: wrong.search("handbook", "key", legs=["semantic"], space="hashing"),
            lambda: wrong.ingest("handbook", [Document("new", "text")]),
        ):
            with pytest.raises(SpaceMismatch, match=named) as caught:
                attempt()
            assert "space hashing" in str(caught.value) and "\n" not in str(caught.value)
        assert wrong.search("handbook", "key", legs=["keyword"])
    assert retriever.collections()[0].documents == 1


def test_the_model_of_a_space_is_found_by_its_name(retriever: Retriever, database_url: str) -> None:
    retriever.create_collection("small", embedder=create_embedder("hashing:16"))
    with Retriever.open(database_url) as opened:
        assert opened.ingest("small", [KEYS]).added == 1
        assert opened.search("small", "key", legs=["semantic"])[0].document_key == "keys"


def activate_other(retriever: Retriever, embedder: HashingEmbedder) -> None:
    """What another process does: fill a second space and make it the active one."""
    with Retriever(retriever.engine, embedder=embedder) as other, other.engine.begin() as session:
        _, create, activate = create_collection_statements("handbook", "english", embedder)
        session.execute(create)
        session.execute(
            text(
                "select retrieval.put_embeddings('handbook', :space, array_agg(chunk_id), "
                "array_agg(array_fill(1::real, array[:dimensions])::halfvec)) from retrieval.chunks"
            ),
            {"space": embedder.model, "dimensions": embedder.dimensions},
        )
        session.execute(activate)


class Renamed(HashingEmbedder):
    """The same vectors under another name, as a new revision of a model would be."""

    model = "renamed"


OTHERS = pytest.mark.parametrize(
    "other", [Renamed(), HashingEmbedder(32)], ids=["same size", "other size"]
)


@OTHERS
def test_a_space_activated_meanwhile_is_noticed(
    database_url: str, retriever: Retriever, other: HashingEmbedder
) -> None:
    with Retriever.open(database_url) as opened:
        opened._spaces.remember(Renamed())
        opened.ingest("handbook", [KEYS])
        assert opened.search("handbook", "key", legs=["semantic"])[0].score < 0.999
        activate_other(retriever, other)
        before = constant_score(other)
        assert opened.search("handbook", "key", legs=["semantic"])[0].score == pytest.approx(
            before, abs=1e-2
        )
        # and an ingestion fills the new space
        opened.ingest("handbook", [Document("new", "A new one.")])
        assert len(opened.search("handbook", "key", legs=["semantic"])) == 2


def constant_score(embedder: HashingEmbedder) -> float:
    """The cosine of the query and a vector of ones."""
    return float(embedder.embed_query("key").sum()) / embedder.dimensions**0.5


@OTHERS
def test_in_the_callers_transaction_it_is_an_error(
    database_url: str, retriever: Retriever, other: HashingEmbedder
) -> None:
    with Retriever.open(database_url) as opened:
        opened.ingest("handbook", [KEYS])
        opened.search("handbook", "key")
        activate_other(retriever, other)
        with opened.engine.connect() as connection, pytest.raises(SpaceMismatch, match="space"):
            opened.search("handbook", "key", connection=connection)


def test_an_ingestion_that_another_space_overtakes(database_url: str, retriever: Retriever) -> None:
    """A space that is activated while documents are embedded gets their embeddings as well."""

    def overtake(done: int, total: int) -> None:
        if done == 0:
            activate_other(retriever, Renamed())

    with Retriever.open(database_url) as opened:
        opened._spaces.remember(Renamed())
        opened.ingest("handbook", [KEYS], on_progress=overtake)
        assert len(opened.search("handbook", "key", legs=["semantic"])) == 1
        counts = text("select count(*) from retrieval.embeddings group by space_id")
        with opened.engine.connect() as session:
            assert session.scalars(counts).all() == [1, 1]


def test_a_space_without_a_signature_takes_any_model_of_its_size(retriever: Retriever) -> None:
    with retriever.engine.begin() as session:
        arguments: dict[str, Any] = {"collection": "handbook", "space": "bare", "dimensions": 64}
        session.execute(call("create_space", model="hashing", **arguments).select())
        session.execute(call("activate_space", collection="handbook", space="bare").select())
    assert retriever.ingest("handbook", [KEYS]).added == 1
    assert retriever.search("handbook", "key", legs=["semantic"])[0].document_key == "keys"
