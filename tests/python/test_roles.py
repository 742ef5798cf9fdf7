"""The retriever with the rights of a reader, a writer or an owner alone."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Run
from sqlalchemy import text

from retrieval import (
    AsyncRetriever,
    Document,
    HashingEmbedder,
    NotFound,
    NotPermitted,
    Retriever,
    orm,
)
from retrieval.database import normalise_url, open_async_engine, open_engine
from retrieval.ingestion import completion
from tests.conftest import Server

READER, WRITER, OWNER = "retrieval_reader", "retrieval_writer", "retrieval_owner"
# enough for the space to be calibrated
DOCUMENTS = [Document(f"d{i}", f"A wheel of wood {i % 7}", metadata={"n": i}) for i in range(110)]


@pytest.fixture(scope="module")
def shared(module_database_url: str) -> Iterator[Retriever]:
    """A retriever whose collection `handbook` was filled by a writer."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        retriever.for_tenant("", role=WRITER).ingest("handbook", DOCUMENTS)
        yield retriever


def test_a_writer_ingests(
    retriever: Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "BULK_CHUNKS", 1)  # statistics are brought up to date at once
    writer = retriever.for_tenant("", role=WRITER)
    for name in ("keys", "backups"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\nAll about {name}.")
    report = writer.ingest("handbook", [*DOCUMENTS, tmp_path])
    assert (report.added, report.failures, report.warnings) == (112, [], [])
    (space,) = writer.spaces.summaries("handbook")
    assert space.indexed and not space.missing
    with retriever.engine.begin() as connection:
        calibrated = "select settings ? 'calibration' from retrieval.collections"
        assert connection.scalar(text(calibrated))
        # what somebody else has left to be embedded
        connection.execute(text("select retrieval.add_document('handbook', 'late', 'Not yet.')"))
    (tmp_path / "keys.md").unlink()
    report = writer.ingest("handbook", [*DOCUMENTS, tmp_path], prune=True)
    assert (report.unchanged, report.pruned, report.failures) == (111, 1, [])
    assert [each.pending for each in writer.jobs()] == []
    assert not retriever.spaces.summaries("handbook")[0].missing
    hit, *_ = writer.search("handbook", "not yet", legs=["semantic"])
    assert hit.document_key == "late"
    assert writer.delete("handbook", ["late", "d1"]) == 2


def test_a_reader_finds_everything(shared: Retriever) -> None:
    reader = shared.for_tenant("", role=READER)
    for options in (
        {"legs": ["keyword"]},
        {"legs": ["semantic"]},
        {"metadata_filter": {"n": {"$lt": 5}}, "per_document": 1, "mmr_lambda": 0.5},
    ):
        found = reader.search("handbook", "wheel of wood 3", **options)
        assert found == shared.search("handbook", "wheel of wood 3", **options) != []
    chunk = found[0].chunk_id
    (collection,) = reader.collections()
    assert (collection.documents, collection.chunks) == (110, 110)
    assert [space.embeddings for space in reader.spaces.summaries("handbook")] == [110]
    assert reader.jobs() == reader.failed_jobs() == []
    assert reader.explain("handbook", "wheel")["hits"]
    assert reader.search_documents("handbook", "wheel")
    assert reader.facets("handbook", ["n"], "wheel")
    assert reader.count_matches("handbook", "wheel") == 110
    assert reader.recommend("handbook", [chunk])
    assert reader.recommend_documents("handbook", ["d1"])
    assert reader.more_like_this("handbook", "d1")
    assert reader.neighbouring_chunks(chunk)
    assert reader.passages("handbook", found)
    with pytest.raises(NotFound, match="collection other does not exist"):
        reader.search("other", "wheel")


@pytest.mark.parametrize(
    ("role", "forbidden"),
    [
        (READER, lambda each: each.ingest("handbook", Document("new", "text"))),
        (READER, lambda each: each.delete("handbook", ["d1"])),
        (READER, lambda each: each.retry_jobs()),
        (WRITER, lambda each: each.create_collection("other")),
        (WRITER, lambda each: each.drop_collection("handbook")),
        (WRITER, lambda each: each.set_chunking("handbook", None)),
        (WRITER, lambda each: each.spaces.drop("handbook", "hashing", force=True)),
    ],
)
def test_what_a_role_may_not(
    shared: Retriever, role: str, forbidden: Callable[[Retriever], Any]
) -> None:
    with pytest.raises(NotPermitted, match=r"^permission denied for function \w+$"):
        forbidden(shared.for_tenant("", role=role))
    assert shared.collections()[0].documents == 110


def test_a_table_that_is_nobodys(shared: Retriever) -> None:
    reader = shared.for_tenant("", role=READER)
    with (
        pytest.raises(NotPermitted, match=r"^permission denied for table jobs$"),
        reader._connection(None) as connection,
    ):
        connection.execute(orm.Job.__table__.select())


def test_an_owner_does_the_rest(retriever: Retriever) -> None:
    owner = retriever.for_tenant("", role=OWNER)
    owner.create_collection("other")
    owner.ingest("other", DOCUMENTS[:3])
    name = owner.spaces.create("other", HashingEmbedder(32), space="second")
    assert owner.spaces.fill("other", name) == 3
    assert owner.spaces.build_index("other", name)
    owner.spaces.activate("other", name)
    assert owner.search("other", "wheel")
    owner.drop_collection("other")
    assert [each.name for each in retriever.collections()] == ["handbook"]


def test_an_index_leaves_the_session_the_role_it_began_in(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_POOL_SIZE", "1")
    monkeypatch.setenv("RETRIEVAL_POOL_OVERFLOW", "0")
    url = normalise_url(database_url).update_query_dict({"options": f"-c role={OWNER}"})
    current = text("select current_user")

    async def asynchronous() -> None:
        async with AsyncRetriever(open_async_engine(url)) as retriever:
            for each in (retriever, retriever.for_tenant("", role=OWNER)):
                await each.spaces.build_index("handbook")
                assert await retriever.read(current) == [(OWNER,)]

    with Retriever(open_engine(url), embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        retriever.ingest("handbook", DOCUMENTS[:3])
        for each in (retriever, retriever.for_tenant("", role=OWNER)):
            each.spaces.build_index("handbook")
            assert retriever.read(current) == [(OWNER,)]
    asyncio.run(asynchronous())


def test_awaited(database_url: str) -> None:
    async def use() -> None:
        async with await AsyncRetriever.open(database_url, embedder=HashingEmbedder()) as retriever:
            await retriever.create_collection("handbook")
            writer = retriever.for_tenant("", role=WRITER)
            report = await writer.ingest("handbook", DOCUMENTS)
            assert (report.added, report.failures, report.warnings) == (110, [], [])
            reader = retriever.for_tenant("", role=READER)
            assert len(await reader.search("handbook", "wheel")) == 10
            assert [each.chunks for each in await reader.collections()] == [110]
            with pytest.raises(NotPermitted, match="permission denied for function"):
                await reader.ingest("handbook", Document("new", "text"))
            with pytest.raises(NotPermitted, match="permission denied for function"):
                await writer.drop_collection("handbook")

    asyncio.run(use())


@pytest.fixture
def reading(server: Server, shared: Retriever) -> Iterator[str]:
    """The URL of the filled database for a user who is a reader."""
    server.execute("create role somebody login in role retrieval_reader")
    yield str(shared.engine.url).replace("//postgres", "//somebody")
    server.execute("drop role somebody")


def test_a_user_on_the_command_line(
    reading: str, cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", reading)
    found = cli("search", "handbook", "wheel", "--json")
    assert found.code == 0 and len(found.json) == 5
    (tmp_path / "new.md").write_text("New.")
    refused = cli("ingest", "handbook", str(tmp_path))
    *_, last = refused.err.splitlines()
    assert refused.code == 1 and last.startswith("error: permission denied for function ")
