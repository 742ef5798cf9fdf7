"""A retriever that is bound to a tenant reads and writes that tenant's documents alone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Run
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from retrieval import AsyncRetriever, Document, HashingEmbedder, InvalidInput, Retriever, database

EMBEDDER = HashingEmbedder()
CURRENT = text("select retrieval.current_tenant(), current_user = session_user")


def guide(owner: str) -> Document:
    return Document("guide", f"The guide of {owner}: how to rotate a key.", source="/guide")


@pytest.fixture(scope="module")
def filled_url(module_database_url: str) -> str:
    """A database whose collection holds one document of acme, one of bolt and one of nobody."""
    with Retriever.open(module_database_url, embedder=EMBEDDER) as retriever:
        retriever.create_collection("handbook")
        for tenant in ("acme", "bolt", ""):
            report = retriever.for_tenant(tenant).ingest("handbook", [guide(tenant)])
            assert (report.added, report.updated) == (1, 0)
    return module_database_url


@pytest.fixture
def pooled(filled_url: str) -> Iterator[Retriever]:
    """A retriever with a single connection."""
    url = database.normalise_url(filled_url)
    with Retriever(create_engine(url, pool_size=1, max_overflow=0), embedder=EMBEDDER) as opened:
        yield opened


def contents(hits: list) -> list[str]:
    return [hit.content for hit in hits]


def test_a_pooled_connection_carries_nothing_over(pooled: Retriever) -> None:
    acme = pooled.for_tenant("acme", role="pg_monitor")

    def assert_nobody() -> None:
        with pooled.engine.connect() as connection:
            assert tuple(connection.execute(CURRENT).one()) == ("", True)
        assert contents(pooled.search("handbook", "guide")) == [guide("").content]

    with pytest.raises(Exception, match="permission denied"):
        acme.search("handbook", "guide")
    assert_nobody()
    acme = pooled.for_tenant("acme")
    assert contents(acme.search("handbook", "guide")) == [guide("acme").content]
    assert_nobody()
    with pytest.raises(InvalidInput):
        acme.search("handbook", "guide", metadata_filter={"$wrong": 1})
    assert_nobody()
    with pooled.engine.connect() as connection:
        assert contents(acme.search("handbook", "guide", connection=connection)) == [
            guide("acme").content
        ]
        connection.rollback()
        assert tuple(connection.execute(CURRENT).one()) == ("", True)
    assert_nobody()
    with pytest.raises(RuntimeError), pooled.engine.begin() as connection:
        acme.delete("handbook", ["guide"], connection=connection)
        raise RuntimeError
    assert_nobody()
    assert contents(acme.search("handbook", "guide")) == [guide("acme").content]
    with pytest.raises(InvalidInput), acme._connection(None, autocommit=True) as connection:
        connection.execute(text("select 1 / 0"))
    assert_nobody()


def test_nor_does_that_of_the_asynchronous_twin(filled_url: str) -> None:
    async def use() -> None:
        engine = create_async_engine(
            database.normalise_url(filled_url), pool_size=1, max_overflow=0
        )
        async with AsyncRetriever(engine, embedder=EMBEDDER) as pooled:

            async def assert_nobody() -> None:
                async with pooled.engine.connect() as connection:
                    assert tuple((await connection.execute(CURRENT)).one()) == ("", True)
                hits = await pooled.search("handbook", "guide")
                assert contents(hits) == [guide("").content]

            denied = pooled.for_tenant("acme", role="pg_monitor")
            with pytest.raises(Exception, match="permission denied"):
                await denied.search("handbook", "guide")
            await assert_nobody()
            acme = pooled.for_tenant("acme")
            assert contents(await acme.search("handbook", "guide")) == [guide("acme").content]
            await assert_nobody()
            with pytest.raises(InvalidInput):
                await acme.search("handbook", "guide", metadata_filter={"$wrong": 1})
            await assert_nobody()
            async with pooled.engine.connect() as connection:
                hits = await acme.search("handbook", "guide", connection=connection)
                assert contents(hits) == [guide("acme").content]
                await connection.rollback()
                assert tuple((await connection.execute(CURRENT)).one()) == ("", True)
            with pytest.raises(InvalidInput):
                async with acme._connection(None, autocommit=True) as connection:
                    await connection.execute(text("select 1 / 0"))
            await assert_nobody()

    asyncio.run(use())


def test_an_ingestion_compares_and_prunes_its_tenants_documents(
    retriever: Retriever, tmp_path: Path
) -> None:
    """The same folder under the same keys: each tenant has its own."""
    (tmp_path / "a.md").write_text("All about ants.")
    (tmp_path / "b.md").write_text("All about bees.")
    acme, bolt = retriever.for_tenant("acme"), retriever.for_tenant("bolt")
    assert acme.ingest("handbook", [tmp_path]).added == 2
    assert bolt.ingest("handbook", [tmp_path]).added == 2
    assert bolt.ingest("handbook", [tmp_path]).unchanged == 2
    (tmp_path / "b.md").unlink()
    (tmp_path / "a.md").write_text("All about ants and others.")
    report = bolt.ingest("handbook", [tmp_path], prune=True)
    assert (report.added, report.updated, report.pruned) == (0, 1, 1)
    assert retriever.ingest("handbook", [tmp_path], prune=True).added == 1

    def sizes(bound: Retriever) -> tuple[int, int]:
        (summary,) = bound.collections()
        return summary.documents, summary.chunks

    assert [sizes(each) for each in (acme, bolt, retriever)] == [(2, 2), (1, 1), (1, 1)]
    assert contents(acme.search("handbook", "bees ants others", max_results=5)) != []
    assert "others" not in str(contents(acme.search("handbook", "bees ants others")))
    assert bolt.delete("handbook", [str(tmp_path / "b.md")]) == 0
    (space,) = acme.spaces.summaries("handbook")
    assert (space.embeddings, space.missing, space.bytes) == (2, 0, None)
    assert acme.jobs() == []
    (space,) = retriever.spaces.summaries("handbook")
    assert (space.embeddings, space.missing) == (4, 0)
    assert space.bytes


def test_the_command_line_takes_a_tenant(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("All about ants.")
    assert command("ingest", "c", str(tmp_path), "--tenant", "acme").code == 0
    assert len(command("search", "c", "ants", "--tenant", "acme", "--json").json) == 1
    assert command("search", "c", "ants", "--tenant", "bolt", "--json").json == []
    assert command("search", "c", "ants", "--json").json == []
    assert [each["documents"] for each in command("collections", "--json").json] == [0]
    monkeypatch.setenv("RETRIEVAL_TENANT", "acme")
    assert len(command("search", "c", "ants", "--json").json) == 1
    assert [each["documents"] for each in command("collections", "--json").json] == [1]
    assert command("spaces", "list", "c").code == 0
    assert command("jobs").code == 0
