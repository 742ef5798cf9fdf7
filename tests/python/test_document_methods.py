"""Documents and chunks one by one: the same from Python as over HTTP."""

from collections.abc import Iterator

import numpy as np
import pytest

from retrieval import (
    ConditionFailed,
    Document,
    HashingEmbedder,
    InvalidInput,
    NotFound,
    Outcome,
    Retriever,
)


@pytest.fixture
def retriever(database_url: str) -> Iterator[Retriever]:
    with Retriever.open(database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("handbook")
        yield opened


def test_each_document_has_its_outcome(retriever: Retriever) -> None:
    documents = [
        Document("a", "First."),
        Document("b\0", "Second."),
        Document("a", "Once more."),
        Document("c", "Third.", text_config="klingon"),
    ]
    first, *failed = retriever.put_documents("handbook", documents)
    assert first == Outcome("a", "added", 1)
    assert [each.status for each in failed] == ["failed"] * 3
    for each, named in zip(failed, ("NUL", "given twice", "klingon"), strict=True):
        assert named in (each.reason or "")
    assert retriever.put_documents("handbook", documents[:1]) == [Outcome("a", "unchanged")]
    assert retriever.ingest("handbook", documents[:1]).outcomes is None
    with pytest.raises(NotFound, match="none"):
        retriever.put_documents("none", documents[:1])


def test_only_over_what_was_seen(retriever: Retriever) -> None:
    retriever.put_documents("handbook", [Document("a", "First.")])
    seen = retriever.get_document("handbook", "a").version
    for content, holds in (("Second.", True), ("Third.", False)):
        given = [Document("a", content)]
        if holds:
            retriever.put_documents("handbook", given, condition=lambda version: version == seen)
            continue
        with pytest.raises(ConditionFailed, match="document a is stored as another version"):
            retriever.put_documents("handbook", given, condition=lambda version: version == seen)
    assert retriever.get_document("handbook", "a").content == "Second."
    with pytest.raises(ConditionFailed):
        retriever.delete_document("handbook", "a", condition=lambda version: version is None)
    assert retriever.delete_document("handbook", "a")
    assert not retriever.delete_document("handbook", "a")


def test_what_is_stored_is_listed(retriever: Retriever) -> None:
    documents = [Document(key, f"Words of {key}.", metadata={"key": key}) for key in "abc"]
    retriever.put_documents("handbook", documents)
    listed = retriever.documents("handbook", after="a", max_results=1)
    assert [(each.document_key, each.chunks) for each in listed] == [("b", 1)]
    (chunk,) = retriever.chunks("handbook", document_key="b")
    place = (chunk.document_id, chunk.position)
    assert [each.document_key for each in retriever.chunks("handbook", after=place)] == ["c"]
    assert retriever.neighbouring_chunks(chunk.chunk_id) == [chunk]
    assert retriever.neighbouring_chunks(chunk.chunk_id, collection="handbook") == [chunk]
    retriever.create_collection("aside")
    with pytest.raises(NotFound, match="in collection aside"):
        retriever.neighbouring_chunks(chunk.chunk_id, collection="aside")
    with pytest.raises(InvalidInput, match="max_results"):
        retriever.documents("handbook", max_results=0)
    assert retriever.collection("handbook").documents == 3


def test_words_are_marked_as_is_asked(retriever: Retriever) -> None:
    marked = retriever.highlight(
        "handbook", "keys", ["A <key>.", "No such word."], start_mark="[", stop_mark="]"
    )
    assert marked == ["A <[key]>.", "No such word."]
    (safe,) = retriever.highlight("handbook", "keys", ["A <key>."], escape_html=True)
    assert safe == "A &lt;<mark>key</mark>&gt;."
    assert retriever.highlight("handbook", "keys", []) == []


def test_texts_are_embedded_as_documents_and_as_queries(retriever: Retriever) -> None:
    texts = ["How do I rotate a key?", "Words."]
    made = retriever.embed("handbook", texts)
    np.testing.assert_array_equal(made.embeddings, HashingEmbedder().embed_documents(texts))
    asked = retriever.embed("handbook", texts, space="hashing", queries=True)
    assert (asked.space, asked.model, asked.embeddings.shape) == ("hashing", "hashing", (2, 64))
    assert retriever.embed("handbook", []).embeddings.shape == (0, 64)
