"""More requests than can be done: some wait, the rest is told so at once, and it ends with them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest
from conftest import handbook
from starlette.types import Message, Receive, Scope, Send

from retrieval import AsyncRetriever, HashingEmbedder, Overloaded, Retriever
from retrieval.service.overload import Gate, Overload

SEARCH = "/v1/collections/handbook/search"
DOCUMENT = "/v1/collections/handbook/documents/a"
FOREVER = 60.0


class Work:
    """An application whose requests work until they are let go."""

    def __init__(self, **gates: Gate) -> None:
        self.app = Overload(self.answer, **gates)
        self.begun: list[str] = []
        self.go_on = asyncio.Event()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["path"])
        await self.go_on.wait()
        if scope["path"].endswith("/broken"):
            raise ValueError("broken")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url="http://service")

    async def settled(self, begun: int) -> None:
        """Until so many have begun, and nothing else can."""
        while len(self.begun) < begun:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(self.begun) == begun


def work(searches: tuple[int, int, float], loads: tuple[int, int, float] = (1, 0, 1)) -> Work:
    return Work(searches=Gate(*searches), loads=Gate(*loads))


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


def is_shed(response: httpx.Response) -> bool:
    if response.status_code == 200:
        return False
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/overloaded"
    assert response.json()["instance"] == SEARCH
    return True


def test_what_is_too_much_is_shed_at_once_and_the_rest_done() -> None:
    async def test() -> None:
        service = work((2, 3, FOREVER))
        async with service.client() as client:
            requests = [asyncio.create_task(client.post(SEARCH)) for _ in range(9)]
            shed, _ = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
            await service.settled(2)
            shed = {each for each in requests if each.done()}
            assert len(shed) == 4 and all(is_shed(each.result()) for each in shed)
            service.go_on.set()
            assert [is_shed(each) for each in await asyncio.gather(*requests)].count(False) == 5
            # it has recovered
            again = await asyncio.gather(*(client.post(SEARCH) for _ in range(5)))
            assert not any(map(is_shed, again))

    run(test)


def test_nobody_waits_for_ever() -> None:
    async def test() -> None:
        service = work((1, 3, 0.05))
        async with service.client() as client:
            first = asyncio.create_task(client.post(SEARCH))
            await service.settled(1)
            assert is_shed(await client.post(SEARCH))
            service.go_on.set()
            assert not is_shed(await first) and not is_shed(await client.post(SEARCH))

    run(test)


def test_health_and_metrics_are_never_shed() -> None:
    async def test() -> None:
        service = work((1, 0, FOREVER))
        async with service.client() as client:
            paths = [SEARCH, "/healthz", "/readyz", "/metrics", "/"]
            requests = [asyncio.create_task(client.get(path)) for path in paths]
            await service.settled(5)
            service.go_on.set()
            assert not any(map(is_shed, await asyncio.gather(*requests)))

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "loads"),
    [
        ("PUT", DOCUMENT, True),
        ("DELETE", DOCUMENT, True),
        ("POST", "/v1/collections/handbook/documents", True),
        ("POST", "/v1/collections/handbook/files", True),
        ("GET", DOCUMENT, False),
        ("POST", SEARCH, False),
        ("POST", f"{SEARCH}/documents", False),
        ("POST", "/v1/collections/handbook/recommend/documents", False),
        ("POST", "/v1/collections/documents/search", False),
        ("POST", "/v1/collections", False),
    ],
)
def test_loads_and_searches_do_not_keep_each_other_waiting(
    method: str, path: str, loads: bool
) -> None:
    async def test() -> None:
        open_gate, closed = (1, 0, FOREVER), (0, 0, FOREVER)
        async with work(closed, open_gate).client() as client:
            if not loads:
                assert (await client.request(method, path)).status_code == 503
        service = work(*((closed, open_gate) if loads else (open_gate, closed)))
        service.go_on.set()
        async with service.client() as client:
            assert (await client.request(method, path)).status_code == 200

    run(test)


def test_a_request_that_fails_leaves_its_place() -> None:
    async def test() -> None:
        service = work((1, 0, FOREVER))
        service.go_on.set()
        async with service.client() as client:
            for _ in range(3):
                with pytest.raises(ValueError, match="broken"):
                    await client.post(f"{SEARCH}/broken")
            assert not is_shed(await client.post(SEARCH))

    run(test)


@pytest.mark.parametrize("turn_comes", ["before", "after"])
def test_a_turn_that_comes_as_the_wait_ends_is_not_lost(turn_comes: str) -> None:
    async def test() -> None:
        gate = Gate(1, 1, FOREVER)
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        if turn_comes == "before":
            gate.leave()
            waiting.cancel()
        else:
            waiting.cancel()
            gate.leave()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert gate.is_open
        async with asyncio.timeout(5):
            assert await gate.enter()

    run(test)


class Client:
    """One request as a server hands it on, message by message."""

    def __init__(self, service: Work) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.takes_answer = asyncio.Event()
        scope = {"type": "http", "method": "POST", "path": SEARCH, "headers": []}
        self.task = asyncio.create_task(service.app(scope, self.messages.get, self._send))

    def send_body(self, *, whole: bool = True) -> None:
        self.messages.put_nowait({"type": "http.request", "body": b"{", "more_body": not whole})

    def leave(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.takes_answer.wait()
        self.sent.append(message)


def test_who_is_slow_to_ask_or_to_listen_takes_no_place() -> None:
    async def test() -> None:
        service = work((1, 0, FOREVER))
        service.go_on.set()
        slow_to_ask = Client(service)
        slow_to_ask.send_body(whole=False)
        await service.settled(0)
        slow_to_listen = Client(service)
        slow_to_listen.send_body()
        await service.settled(1)
        assert not slow_to_listen.task.done()
        slow_to_ask.send_body()
        await service.settled(2)
        for each in (slow_to_ask, slow_to_listen):
            each.takes_answer.set()
            await each.task
            assert each.sent[0]["status"] == 200

    run(test)


def test_who_goes_away_while_waiting_has_no_turn() -> None:
    async def test() -> None:
        service = work((1, 1, FOREVER))
        first, gone = Client(service), Client(service)
        first.send_body()
        await service.settled(1)
        gone.send_body()
        await service.settled(1)
        gone.leave()
        await gone.task
        # its place in the line is free again
        last = Client(service)
        last.send_body()
        await service.settled(1)
        service.go_on.set()
        for each in (first, last):
            each.takes_answer.set()
            await each.task
            assert each.sent[0]["status"] == 200
        assert not gone.sent and len(service.begun) == 2

    run(test)


def test_cancelled_requests_give_everything_back() -> None:
    async def test() -> None:
        service = work((1, 1, FOREVER))
        requests = [Client(service) for _ in range(2)]
        for each in requests:
            each.send_body()
        await service.settled(1)
        for each in requests:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in requests), return_exceptions=True)
        service.go_on.set()
        async with service.client() as client:
            assert not is_shed(await client.post(SEARCH))

    run(test)


# The whole service, and its connections


def test_the_service_sheds_and_recovers(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_MAXIMUM_REQUESTS", "1")
    monkeypatch.setenv("RETRIEVAL_MAXIMUM_WAITING", "0")
    with handbook(database_url) as client, psycopg.connect(database_url) as blocking:
        body = {"query": "key", "legs": ["keyword"]}
        blocking.execute("lock table retrieval.collections in access exclusive mode")
        answers: list[httpx.Response] = []
        waiting = threading.Thread(target=lambda: answers.append(client.post(SEARCH, json=body)))
        waiting.start()
        with psycopg.connect(database_url, autocommit=True) as observer:
            stuck = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            while observer.execute(stuck).fetchone() != (1,):
                pass
        assert is_shed(client.post(SEARCH, json=body))
        assert client.get("/healthz").status_code == 200
        blocking.rollback()
        waiting.join()
        assert [is_shed(each) for each in [*answers, client.post(SEARCH, json=body)]] == [False] * 2


@pytest.fixture
def small_pool(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RETRIEVAL_POOL_SIZE", "1")
    monkeypatch.setenv("RETRIEVAL_POOL_OVERFLOW", "0")
    monkeypatch.setenv("RETRIEVAL_POOL_TIMEOUT_SECONDS", "0.05")
    return database_url


def test_a_connection_is_not_waited_for_without_end(small_pool: str) -> None:
    async def asynchronous() -> None:
        async with await AsyncRetriever.open(small_pool) as retriever:
            async with retriever.engine.connect():
                with pytest.raises(Overloaded, match="connections"):
                    await retriever.collections()
            assert await retriever.collections() == []

    asyncio.run(asynchronous())
    with Retriever.open(small_pool) as retriever:
        with retriever.engine.connect(), pytest.raises(Overloaded, match="connections"):
            retriever.collections()
        assert retriever.collections() == []


def test_a_connection_that_the_server_closed_is_replaced(small_pool: str) -> None:
    def end_sessions(_: Any = None) -> None:
        with psycopg.connect(small_pool, autocommit=True) as session:
            ended = session.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            ).fetchall()
            assert ended == [(True,)]

    async def asynchronous() -> None:
        embedder = HashingEmbedder()
        async with await AsyncRetriever.open(small_pool, embedder=embedder) as retriever:
            await retriever.create_collection("handbook")
            for _ in range(2):
                await asyncio.to_thread(end_sessions)
                assert await retriever.search("handbook", "key") == []
            await asyncio.to_thread(end_sessions)
            await retriever.drop_collection("handbook")

    asyncio.run(asynchronous())
    with Retriever.open(small_pool) as retriever:
        end_sessions()
        assert retriever.collections() == []
