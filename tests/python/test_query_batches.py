"""Queries of concurrent searches are embedded together, each as if by itself."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from retrieval import AsyncRetriever, Document, HashingEmbedder, Retriever
from retrieval.embedding import SentenceTransformerEmbedder
from retrieval.embedding.query_batches import MOST_CHARACTERS, MOST_QUERIES, QueryBatches
from retrieval.errors import ModelUnavailable

QUERIES = [f"how do I rotate key number {n}" + " and then" * n for n in range(12)]


class Counting(HashingEmbedder):
    """Notes each batch; the first one waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def embed_queries(self, texts: Sequence[str]) -> Any:
        self.batches.append(list(texts))
        self.begun.set()
        assert self.go_on.wait(timeout=10)
        if "offline" in texts:
            raise ModelUnavailable("the model is offline")
        if "poison" in texts:
            raise ValueError("the model chokes on poison")
        return np.stack([self.embed_query(text) for text in texts])


@pytest.fixture
def embedder() -> Iterator[Counting]:
    embedder = Counting()
    yield embedder
    embedder.go_on.set()


def gathered(embedder: Counting, queries: Sequence[str]) -> "list[Future[Any]]":
    """The queries, which came while another one was being embedded."""
    batches = QueryBatches(embedder)
    first = batches.submit("first")
    assert embedder.begun.wait(timeout=10)
    futures = [batches.submit(query) for query in queries]
    embedder.go_on.set()
    first.result(timeout=10)
    return futures


def test_what_gathers_while_a_batch_runs_is_the_next_one(embedder: Counting) -> None:
    futures = gathered(embedder, QUERIES)
    for query, future in zip(QUERIES, futures, strict=True):
        assert np.array_equal(future.result(timeout=10), embedder.embed_query(query))
    assert embedder.batches == [["first"], QUERIES]


def test_a_batch_holds_so_many_queries_and_so_much_padding(embedder: Counting) -> None:
    queries = ["short"] * 50 + ["long " * (MOST_CHARACTERS // 5)] * 2 + ["short"]
    for future in gathered(embedder, queries):
        future.result(timeout=10)
    sizes = [len(batch) for batch in embedder.batches]
    assert sizes == [1, MOST_QUERIES, 50 - MOST_QUERIES, 1, 1, 1]


def test_a_poison_query_fails_alone(embedder: Counting) -> None:
    good, bad, other = gathered(embedder, ["good", "poison", "other"])
    assert np.array_equal(good.result(timeout=10), embedder.embed_query("good"))
    assert np.array_equal(other.result(timeout=10), embedder.embed_query("other"))
    with pytest.raises(ValueError, match="chokes"):
        bad.result(timeout=10)


def test_an_error_of_the_model_reaches_every_caller_at_once(embedder: Counting) -> None:
    for future in gathered(embedder, ["one", "offline", "two"]):
        with pytest.raises(ModelUnavailable):
            future.result(timeout=10)
    assert len(embedder.batches) == 2


def test_a_query_that_nobody_waits_for_is_left_out(embedder: Counting) -> None:
    batches = QueryBatches(embedder)
    first = batches.submit("first")
    assert embedder.begun.wait(timeout=10)
    gone, wanted = batches.submit("gone"), batches.submit("wanted")
    assert gone.cancel()
    embedder.go_on.set()
    assert first.result(timeout=10) is not None
    assert np.array_equal(wanted.result(timeout=10), embedder.embed_query("wanted"))
    assert embedder.batches == [["first"], ["wanted"]]


def test_models_embed_one_batch_at_a_time_in_a_process(embedder: Counting) -> None:
    other = Counting()
    other.go_on.set()
    first = QueryBatches(embedder).submit("first")
    assert embedder.begun.wait(timeout=10)
    second = QueryBatches(other).submit("second")
    assert not other.begun.is_set()
    embedder.go_on.set()
    first.result(timeout=10)
    assert second.result(timeout=10) is not None


def test_a_batch_of_a_real_model_is_its_queries_one_by_one() -> None:
    model = SentenceTransformerEmbedder()
    alone = [model.embed_query(query) for query in QUERIES]
    together = model.embed_queries(QUERIES)
    # cosines of unit vectors; padding changes the order in which floats are added
    assert np.allclose(np.sum(np.stack(alone) * together, axis=1), 1, atol=1e-6)
    assert np.allclose(alone, together, atol=1e-6)
    assert not np.allclose(together[0], together[1], atol=1e-2)


@pytest.fixture(scope="module")
def handbook(module_database_url: str) -> str:
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        retriever.ingest("handbook", [Document(f"d{n}", text) for n, text in enumerate(QUERIES)])
    return module_database_url


def test_concurrent_searches_share_a_batch(handbook: str, embedder: Counting) -> None:
    async def searches() -> list[Any]:
        async with await AsyncRetriever.open(handbook, embedder=embedder) as retriever:
            first = asyncio.create_task(retriever.search("handbook", "first"))
            await asyncio.to_thread(embedder.begun.wait, 10)
            others = [
                asyncio.create_task(retriever.search("handbook", query, legs=["semantic"]))
                for query in QUERIES
            ]
            while len(retriever._spaces.batches(embedder)._waiting) < len(QUERIES):  # type: ignore[union-attr]
                await asyncio.sleep(0.01)
            embedder.go_on.set()
            await first
            return await asyncio.gather(*others)

    found = asyncio.run(searches())
    assert embedder.batches == [["first"], QUERIES]
    with Retriever.open(handbook, embedder=HashingEmbedder()) as retriever:
        for query, hits in zip(QUERIES, found, strict=True):
            assert hits == retriever.search("handbook", query, legs=["semantic"])


def test_threads_share_a_batch(handbook: str, embedder: Counting) -> None:
    with Retriever.open(handbook, embedder=embedder) as retriever:
        found: dict[str, Any] = {}

        def search(query: str) -> None:
            found[query] = retriever.search("handbook", query, legs=["semantic"])

        threads = [threading.Thread(target=search, args=[query]) for query in QUERIES[:4]]
        threads[0].start()
        assert embedder.begun.wait(timeout=10)
        for thread in threads[1:]:
            thread.start()
        while len(retriever._spaces.batches(embedder)._waiting) < 3:  # type: ignore[union-attr]
            threading.Event().wait(0.01)
        embedder.go_on.set()
        for thread in threads:
            thread.join()
    assert [len(batch) for batch in embedder.batches] == [1, 3]
    assert [found[query][0].content for query in QUERIES[:4]] == QUERIES[:4]
