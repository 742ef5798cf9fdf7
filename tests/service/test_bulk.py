"""Many documents in one request, as JSON and as JSON lines."""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import Message

from retrieval.service.ndjson import Line, LineSplitter, NdjsonResponse, line_groups

COLLECTION = "/v1/collections/handbook"
DOCUMENTS = f"{COLLECTION}/documents"
NDJSON = {"content-type": "application/x-ndjson"}


def keys(client: httpx.Client) -> list[str]:
    listed = client.get(DOCUMENTS, params={"limit": 1000}).json()["documents"]
    return [each["document_key"] for each in listed]


def sent(client: httpx.Client, content: Any) -> list[dict[str, Any]]:
    answer = client.post(DOCUMENTS, content=content, headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def line(key: Any, content: Any = "words", **fields: Any) -> bytes:
    return json.dumps({"key": key, "content": content, **fields}).encode() + b"\n"


def test_a_batch_says_of_each_what_became_of_it(client: httpx.Client) -> None:
    documents = [
        {"key": "a", "content": "First.", "metadata": {"year": 2026}},
        {"key": "b", "content": "Second."},
        {"key": "c", "content": "Third.", "text_config": "klingon"},
        {"key": "d", "content": "Fourth.", "embedding": [1.0]},
        {"key": "a", "content": "First, once more."},
    ]
    answer = client.post(DOCUMENTS, json={"documents": documents})
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [(each["document_key"], each["status"]) for each in results] == [
        ("a", "added"),
        ("b", "added"),
        ("c", "failed"),
        ("d", "failed"),
        ("a", "updated"),
    ]
    assert "klingon" in results[2]["reason"] and "64" in results[3]["reason"]
    assert [each["chunks"] for each in results] == [1, 1, 0, 0, 1]
    assert keys(client) == ["a", "b"]
    again = client.post(DOCUMENTS, json={"documents": documents[1:2]}).json()["results"]
    assert again[0]["status"] == "unchanged" and again[0]["reason"] is None
    assert client.post(DOCUMENTS, json={"documents": []}).json() == {"results": []}


def test_an_embedding_that_is_given_is_searched(client: httpx.Client) -> None:
    vector = [0.0] * 63 + [1.0]
    body = {"documents": [{"key": "given", "content": "words", "embedding": vector}]}
    assert client.post(DOCUMENTS, json=body).json()["results"][0]["status"] == "added"
    put = {"content": "other words", "embedding": vector[::-1]}
    assert client.put(f"{DOCUMENTS}/put", json=put).status_code == 201
    search = {"query": "", "legs": ["semantic"], "query_embedding": vector}
    hits = client.post(f"{COLLECTION}/search", json=search).json()["hits"]
    assert [hit["document_key"] for hit in hits] == ["given", "put"]
    assert hits[0]["score"] == pytest.approx(1) and hits[1]["score"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 422, "documents"),
        ({"documents": [{"key": "", "content": "a"}]}, 422, "documents.0.key"),
        ({"documents": [{"key": "a"}]}, 422, "documents.0.content"),
        ({"documents": [{"key": "a\0", "content": "a"}]}, 422, "documents.key: text with a NUL"),
        ({"documents": {}, "dry_run": True}, 422, "dry_run"),
    ],
)
def test_a_batch_that_cannot_be(
    shared_client: httpx.Client, body: Any, status: int, named: str
) -> None:
    answer = shared_client.post(DOCUMENTS, json=body)
    assert (answer.status_code, named in answer.json()["detail"]) == (status, True), answer.text


def test_no_body_at_all(shared_client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    answer = shared_client.post(DOCUMENTS, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (422, "body: Field required")
    for kind in ("text/plain", "application/x-ndjsonx", ""):
        answer = shared_client.post(DOCUMENTS, content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415 and "x-ndjson" in answer.json()["detail"]
    # no other route takes lines, however many
    for size, status in ((10, 415), (200_000, 413)):
        answer = shared_client.post(f"{COLLECTION}/search", content=b"{" * size, headers=NDJSON)
        assert answer.status_code == status
    assert (
        shared_client.post(
            "/v1/collections/none/documents", content=line("a"), headers=NDJSON
        ).status_code
        == 404
    )


def test_every_line_has_its_result_and_broken_ones_are_passed_over(client: httpx.Client) -> None:
    lines = [
        line("a", metadata={"year": 2026}),
        b"\n",
        b'{"key": "broken"\n',
        b"\xff\xfe\n",
        line("nul", "a\0b"),
        b'{"key": "surrogate", "content": "\\ud800"}\n',
        b'{"key": "nan", "content": "a", "metadata": {"a": NaN}}\n',
        b"[" * 5000 + b"\n",
        b"[1]\n",
        line(7),
        line("unknown", colour="red"),
        line("large", "a" * 100_001),
        line("config", text_config="klingon"),
        line("a", "Other words."),
        b"  \r\n",
        line("last").rstrip(b"\n"),
    ]
    results = sent(client, b"".join(lines))
    assert [each["line"] for each in results] == [1, *range(3, 15), 16]
    stored = {each["line"]: each["status"] for each in results if each["status"] != "failed"}
    assert stored == {1: "added", 14: "updated", 16: "added"}
    reasons = {each["line"]: each["reason"] for each in results if each["status"] == "failed"}
    for number, named in {
        3: "not JSON",
        4: "not JSON",
        5: "content: text with a NUL",
        6: "lone surrogate",
        7: "NaN",
        8: "nested more than",
        9: "valid dictionary",
        10: "key: Input should be a valid string",
        11: "colour",
        12: "longer than 100000 bytes",
        13: "klingon",
    }.items():
        assert named in reasons[number], (number, reasons[number])
    assert [each["document_key"] for each in results][-3:] == ["config", "a", "last"]
    assert keys(client) == ["a", "last"]
    assert client.get(f"{DOCUMENTS}/a").json()["content"] == "Other words."


def test_the_lines_may_be_more_than_a_body_may(client: httpx.Client) -> None:
    count = 600

    def lines() -> Iterator[bytes]:
        for number in range(count):
            yield line(f"key {number % 300:03}", "a" * 200, metadata={"turn": number // 300})

    results = sent(client, lines())
    assert [each["line"] for each in results] == list(range(1, count + 1))
    assert [each["status"] for each in results] == ["added"] * 300 + ["updated"] * 300
    assert len(keys(client)) == 300
    assert client.get(f"{DOCUMENTS}/key 007").json()["metadata"] == {"turn": 1}


class Talk:
    """A request whose lines are sent one by one, and whose results are read in between."""

    def __init__(self, client: httpx.Client) -> None:
        self._connection = http.client.HTTPConnection(client.base_url.netloc.decode())
        self._connection.putrequest("POST", DOCUMENTS)
        self._connection.putheader("content-type", "application/x-ndjson")
        self._connection.putheader("transfer-encoding", "chunked")
        self._connection.endheaders()
        self._answer = self._connection.sock.makefile("rb")

    def send(self, content: bytes) -> None:
        self._connection.send(b"%x\r\n%s\r\n" % (len(content), content))

    def result(self) -> dict[str, Any]:
        while not (read := self._answer.readline()).startswith(b"{"):
            assert read, "the answer has ended"
        found: dict[str, Any] = json.loads(read)
        return found

    def end(self) -> bytes:
        self.send(b"")
        rest = self._answer.read() if b"0\r\n" not in (end := self._answer.readline()) else end
        self._connection.close()
        return rest


def test_results_come_while_lines_are_still_sent(client: httpx.Client) -> None:
    talk = Talk(client)
    talk.send(line("a"))
    assert (talk.result()["line"], keys(client)) == (1, ["a"])
    talk.send(line("b")[:9])
    talk.send(line("b")[9:])
    assert (talk.result()["document_key"], keys(client)) == ("b", ["a", "b"])
    # what goes wrong in between is said of the lines that it goes wrong with
    assert client.delete(COLLECTION).status_code == 204
    talk.send(line("c"))
    failed = talk.result()
    assert failed["status"] == "failed"
    assert failed["reason"].startswith("collection handbook does not exist")
    assert client.post("/v1/collections", json={"name": "handbook"}).status_code == 201
    talk.send(line("d"))
    assert (talk.result()["status"], keys(client)) == ("added", ["d"])
    talk.end()


def test_a_client_that_is_gone_leaves_whole_documents(client: httpx.Client) -> None:
    whole = line("a") + line("b")
    body = whole + line("c", "a" * 50)[:-1]  # a document, but the line has not ended
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as sender:
        head = f"POST {DOCUMENTS} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        head += "content-type: application/x-ndjson\r\n"
        sender.sendall(head.encode() + b"content-length: 10000\r\n\r\n" + body)
        deadline = time.monotonic() + 20
        while len(keys(client)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert sent(client, line("d"))[0]["status"] == "added"
    assert keys(client) == ["a", "b", "d"]


def test_results_that_nobody_reads_hold_nobody_up() -> None:
    """Many clients read nothing before they have sent everything."""
    made = asyncio.Event()
    count = 20_000

    async def results() -> AsyncIterator[dict[str, Any]]:
        for number in range(count):
            yield {"line": number, "reason": "a" * 100}
        made.set()

    async def answered() -> bytes:
        body = bytearray()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                await made.wait()
                body.extend(message["body"])

        async def receive() -> Message:
            raise AssertionError("the request is read elsewhere")

        await asyncio.wait_for(NdjsonResponse(results())({}, receive, send), 30)
        return bytes(body)

    read = [json.loads(each) for each in asyncio.run(answered()).splitlines()]
    assert [each["line"] for each in read] == list(range(count))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_cut_wherever_blocks_end(size: int) -> None:
    text = b"first\n\nsecond, too long\nthird\r\n\xff\nlast"
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    splitter = LineSplitter(8)
    lines = [each for block in blocks for each in splitter.feed(block)] + [*splitter.end()]
    wanted = [b"first", b"", None, b"third\r", b"\xff", b"last"]
    assert lines == [Line(number, each) for number, each in enumerate(wanted, 1)]


def test_groups_are_of_a_bounded_size() -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield b"a\n" * 1200
        await asyncio.sleep(0.1)
        yield b"b\n" + b"c" * 700_000 + b"\n" + b"d" * 700_000 + b"\ne\n"

    async def groups() -> list[list[bytes | None]]:
        return [[each.text for each in group] async for group in line_groups(blocks(), 10**6)]

    sizes = [len(group) for group in asyncio.run(groups())]
    assert sizes == [500, 500, 200, 3, 1]
