"""A reranker that a collection is set to orders the hits of searches that do not name one."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event

from retrieval import AsyncRetriever, Document, HashingEmbedder, Hit, InvalidInput, Retriever
from retrieval.search import default_rerankers

# the search by one of these words finds "often" first, word overlap with all of them does not
DOCUMENTS = [
    Document("often", "key key key key key key key key"),
    Document("twice", "rotate the key"),
    Document("title", "every month", title="Rotate the key safely"),
    Document("other", "bread and butter"),
]
QUERY = "rotate key safely"
RERANK: dict[str, Any] = {"model": "word-overlap", "candidates": 3}


def scored(hits: Sequence[Hit]) -> list[bool]:
    return [hit.rerank_score is not None for hit in hits]


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Retriever]:
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("handbook")
        opened.ingest("handbook", DOCUMENTS)
        yield opened


@pytest.fixture
def ranked(filled: Retriever) -> Iterator[Retriever]:
    """A collection that is set to rerank three hits."""
    filled.set_ranking("handbook", rerank=RERANK, k1=0.9)
    yield filled
    filled.set_ranking("handbook")


def test_what_is_set_is_told(ranked: Retriever) -> None:
    ranking = {"k1": 0.9, "rerank": RERANK}
    assert ranked.collection_settings("handbook") == {"ranking": ranking}
    assert ranked.collection("handbook").ranking == ranking
    with pytest.raises(InvalidInput, match="rerank: model must be the name of a reranker"):
        ranked.set_ranking("handbook", rerank={"candidates": 3})


def test_searches_that_do_not_say_are_reranked(ranked: Retriever) -> None:
    named: Mapping[str, Any] = {"rerank": "word-overlap", "rerank_candidates": 3, "max_results": 3}
    by_default = ranked.search("handbook", QUERY, max_results=3)
    assert by_default == ranked.search("handbook", QUERY, **named)
    assert scored(by_default) == [True] * 3
    assert scored(ranked.search("handbook", QUERY, rerank=False)) == [False] * 4
    assert scored(ranked.search("handbook", QUERY, legs=["keyword"])) == [True] * 3
    # without words there is nothing for it to read
    embedding = HashingEmbedder().embed_query(QUERY)
    alone = ranked.search("handbook", "", legs=["semantic"], query_embedding=embedding)
    assert scored(alone) == [False] * 4


def test_a_call_says_how_many(ranked: Retriever) -> None:
    assert len(ranked.search("handbook", QUERY, max_results=4)) == 4
    page = {"max_results": 1, "result_offset": 3}
    with pytest.raises(InvalidInput, match="at most rerank_candidates, which is 3, not 4"):
        ranked.search("handbook", QUERY, **page)
    assert len(ranked.search("handbook", QUERY, **page, rerank_candidates=4)) == 1


def test_it_is_asked_for_every_half_minute(
    ranked: Retriever, module_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    seconds = 0.0
    monkeypatch.setattr(default_rerankers, "time", SimpleNamespace(monotonic=lambda: seconds))

    def note(*arguments: Any) -> None:
        asked.append(arguments[2])

    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as other:
        other.search("handbook", QUERY)
        event.listen(other.engine, "before_cursor_execute", note)
        assert scored(other.search("handbook", QUERY)) == [True] * 4
        assert len(asked) == 1 and "hybrid_search" in asked[0]
        ranked.set_ranking("handbook")
        assert scored(ranked.search("handbook", QUERY)) == [False] * 4
        seconds = 29
        assert scored(other.search("handbook", QUERY)) == [True] * 4
        seconds = 31
        assert scored(other.search("handbook", QUERY)) == [False] * 4
        assert len(asked) == 4


def test_of_asyncio(ranked: Retriever, module_database_url: str) -> None:
    async def run() -> None:
        opening = AsyncRetriever.open(module_database_url, embedder=HashingEmbedder())
        async with await opening as opened:
            assert scored(await opened.search("handbook", QUERY)) == [True] * 4
            await opened.set_ranking("handbook")
            assert scored(await opened.search("handbook", QUERY)) == [False] * 4
            assert await opened.collection_settings("handbook") == {}

    asyncio.run(run())
