"""AsyncRetriever: the same as Retriever, awaited."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from retrieval import (
    AsyncRetriever,
    DatabaseUnavailable,
    Document,
    HashingEmbedder,
    InvalidInput,
    NotFound,
    SchemaMismatch,
    SpaceMismatch,
)
from retrieval.embedding import Embeddings

KEYS = Document("keys", "Rotate a key every month.", metadata={"year": 2026})
BACKUPS = Document("backups", "Copy the backups to another place.")

Use = Callable[[AsyncRetriever], Awaitable[None]]


def run(database_url: str, use: Use, embedder: HashingEmbedder | None = None) -> None:
    """Let a coroutine use an open retriever that has the collection `handbook`."""

    async def opened() -> None:
        chosen = embedder or HashingEmbedder()
        async with await AsyncRetriever.open(database_url, embedder=chosen) as retriever:
            await retriever.create_collection("handbook")
            await use(retriever)

    asyncio.run(opened())


def test_everything_once(database_url: str, tmp_path: Path) -> None:
    async def use(retriever: AsyncRetriever) -> None:
        (tmp_path / "notes.md").write_text("# Notes\n\nNothing of note.")
        seen: list[tuple[int, int]] = []
        sources = [KEYS, BACKUPS, tmp_path, tmp_path / "missing.md"]
        report = await retriever.ingest(
            "handbook", sources, on_progress=lambda done, total: seen.append((done, total))
        )
        assert (report.added, len(report.failures)) == (3, 1)
        assert (seen[0], seen[-1]) == ((0, 4), (4, 4))
        assert (await retriever.ingest("handbook", [KEYS, BACKUPS])).unchanged == 2
        for legs in (["keyword"], ["semantic"], ["keyword", "semantic"]):
            hits = await retriever.search("handbook", "rotate a key", legs=legs)
            assert hits[0].document_key == "keys"
        around = await retriever.neighbouring_chunks(hits[0].chunk_id)
        assert [chunk.content for chunk in around] == [KEYS.content]
        assert await retriever.delete("handbook", ["keys"]) == 1
        assert [each.documents for each in await retriever.collections()] == [2]
        await retriever.drop_collection("handbook")
        with pytest.raises(NotFound, match="handbook"):
            await retriever.search("handbook", "key")

    run(database_url, use)


def test_errors_are_the_packages_own(database_url: str, empty_database_url: str) -> None:
    async def use(retriever: AsyncRetriever) -> None:
        with pytest.raises(InvalidInput, match="max_results"):
            await retriever.search("handbook", "key", max_results=0)
        with pytest.raises(InvalidInput, match="metadata_filter is not JSON"):
            await retriever.search("handbook", "key", metadata_filter={"a": object()})
        assert await retriever.search("handbook", "") == []
        with pytest.raises(SchemaMismatch, match="retrieval init"):
            await AsyncRetriever.open(empty_database_url)
        with pytest.raises(DatabaseUnavailable, match="PostgreSQL cannot be reached"):
            await AsyncRetriever.open("postgresql://u:secret@127.0.0.1:1/d")

    run(database_url, use)


@pytest.mark.parametrize("kind", [AsyncConnection, AsyncSession])
def test_the_callers_transaction_is_left_alone(database_url: str, kind: Any) -> None:
    async def use(retriever: AsyncRetriever) -> None:
        async with kind(retriever.engine) as connection:
            await use_everything(retriever, connection)
            await connection.rollback()
            assert [each.name for each in await retriever.collections()] == ["handbook"]
            await use_everything(retriever, connection)
            await connection.commit()
        found = await retriever.search("other", "copy")
        assert [hit.document_key for hit in found] == ["backups"]

    run(database_url, use)


async def use_everything(
    retriever: AsyncRetriever, connection: AsyncConnection | AsyncSession
) -> None:
    """Every method once, after a failure that the caller's transaction survives."""
    await connection.execute(text("create table marker ()"))
    await retriever.create_collection("other", connection=connection)
    documents = [KEYS, BACKUPS, Document("", "no key")]
    report = await retriever.ingest("other", documents, connection=connection)
    assert (report.added, len(report.failures)) == (2, 1)
    hits = await retriever.search("other", "key", connection=connection)
    await retriever.neighbouring_chunks(hits[0].chunk_id, connection=connection)
    assert await retriever.delete("other", ["keys"], connection=connection) == 1
    await retriever.create_collection("third", connection=connection)
    await retriever.drop_collection("third", connection=connection)
    assert len(await retriever.collections(connection=connection)) == 2


def test_searches_run_side_by_side(database_url: str) -> None:
    async def use(retriever: AsyncRetriever) -> None:
        await retriever.ingest("handbook", [KEYS, BACKUPS])
        asked = [retriever.search("handbook", query) for query in ["key", "backups"] * 10]
        found = await asyncio.gather(*asked)
        assert [hits[0].document_key for hits in found] == ["keys", "backups"] * 10

    run(database_url, use)


def test_another_space_was_activated_meanwhile(database_url: str) -> None:
    async def use(retriever: AsyncRetriever) -> None:
        await retriever.ingest("handbook", [KEYS])
        await retriever.search("handbook", "key")
        with psycopg.connect(database_url) as session:
            session.execute(
                'update retrieval.spaces set signature = signature || \'{"pooling": "cls"}\''
            )
        with pytest.raises(SpaceMismatch, match="pooling"):
            await retriever.search("handbook", "key")

    run(database_url, use)


class SlowEmbedder(HashingEmbedder):
    """Takes its time, as a model does."""

    def embed_documents(self, texts: Sequence[str], **options: Any) -> Embeddings:
        time.sleep(0.3)
        return super().embed_documents(texts, **options)


def test_the_loop_stays_free_while_a_model_works(database_url: str) -> None:
    """Also for chunks that SQL wrote and the next ingestion embeds."""

    async def use(retriever: AsyncRetriever) -> None:
        async with retriever.engine.begin() as connection:
            await connection.execute(
                text("select retrieval.put_documents('handbook', '[{\"document_key\": \"sql\"}]')")
            )
        longest = 0.0
        ingestion = asyncio.create_task(retriever.ingest("handbook", [KEYS]))
        while not ingestion.done():
            start = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - start)
        assert (await ingestion).added == 1
        assert longest < 0.25

    run(database_url, use, SlowEmbedder())
