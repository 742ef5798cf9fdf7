"""Several processes prepare and fill one database at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from retrieval import AlreadyExists, Document, HashingEmbedder, Retriever
from retrieval.database import current_revision, head_revision, transaction, upgrade_schema
from retrieval.ingestion import reading


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Results of the work, begun in so many threads at the same moment; an error is a result."""
    ready = Barrier(count)

    def begin(number: int) -> Any:
        ready.wait()
        try:
            return work(number)
        except AlreadyExists as error:
            return error

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def test_the_schema_is_created_once(empty_database_url: str) -> None:
    def upgrade(number: int) -> str | None:
        with transaction(empty_database_url) as connection:
            upgrade_schema(connection)
            return current_revision(connection)

    assert at_once(4, upgrade) == [head_revision()] * 4


def test_a_collection_is_created_once(database_url: str) -> None:
    def create(number: int) -> None:
        with Retriever.open(database_url, embedder=HashingEmbedder()) as retriever:
            retriever.create_collection("handbook")

    results = at_once(3, create)
    assert results.count(None) == 1
    assert sum(isinstance(each, AlreadyExists) for each in results) == 2


def test_the_same_documents_are_stored_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 5)
    documents = [Document(f"d{n}", f"Document {n} speaks of walruses.") for n in range(30)]
    with Retriever.open(database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")

        def ingest(number: int) -> int:
            # in different orders, as two folders would be read
            given = documents if number % 2 else documents[::-1]
            with Retriever.open(database_url, embedder=HashingEmbedder()) as opened:
                report = opened.ingest("handbook", given)
            assert not report.failures
            return report.done

        assert at_once(3, ingest) == [30, 30, 30]
        (summary,) = retriever.collections()
        assert (summary.documents, summary.chunks) == (30, 30)
        assert len(retriever.search("handbook", "walruses", max_results=50)) == 30
        assert retriever.ingest("handbook", documents).unchanged == 30
