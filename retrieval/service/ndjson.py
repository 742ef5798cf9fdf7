"""JSON lines in and out, of any number: neither all lines nor all results are ever in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from retrieval.service.strict_route import NDJSON_MEDIA_TYPE

# What is worked on at a time: enough for a model's batches to fill, and a transaction's worth.
GROUP_LINES = 500
GROUP_BYTES = 1024 * 1024
# How long what has come waits for more to come, before it is worked on.
IDLE_SECONDS = 0.02

RESULTS_IN_MEMORY = 1024 * 1024
BLOCK_BYTES = 64 * 1024


class Line(NamedTuple):
    """A line by its number, from 1; None is one that is too long."""

    number: int
    text: bytes | None


class LineSplitter:
    """Cuts blocks of bytes into lines, none of which is held beyond the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0
        self._pending = bytearray()
        self._too_long = False

    def feed(self, block: bytes) -> Iterator[Line]:
        """The lines that end in a block."""
        *ended, rest = block.split(b"\n")
        for piece in ended:
            yield self._ended(piece)
        self._extend(rest)

    def end(self) -> Iterator[Line]:
        """The last line, which may end without a line break."""
        if self._pending or self._too_long:
            yield self._ended(b"")

    def _extend(self, piece: bytes) -> None:
        if self._too_long or len(self._pending) + len(piece) > self._limit:
            self._too_long = True
            self._pending.clear()
        else:
            self._pending += piece

    def _ended(self, piece: bytes) -> Line:
        self._extend(piece)
        self._number += 1
        line = Line(self._number, None if self._too_long else bytes(self._pending))
        self._pending.clear()
        self._too_long = False
        return line


async def line_groups(blocks: AsyncIterator[bytes], limit: int) -> AsyncIterator[list[Line]]:
    """Lines that are not blank, as many at a time as have come, up to a limit.

    While a group is worked on, no more than one further block is taken: the sender has to wait.
    Of a sender that is gone the last line counts only if it had ended.
    """
    splitter = LineSplitter(limit)
    group: list[Line] = []
    size = 0
    coming = asyncio.ensure_future(anext(blocks, None))
    try:
        while True:
            await asyncio.wait({coming}, timeout=IDLE_SECONDS if group else None)
            if not coming.done():
                yield group
                group, size = [], 0
                continue
            try:
                block = coming.result()
            except ClientDisconnect:
                break
            lines = splitter.end() if block is None else splitter.feed(block)
            for line in lines:
                if line.text is None or line.text.strip():
                    group.append(line)
                    size += len(line.text or b"")
                if len(group) >= GROUP_LINES or size >= GROUP_BYTES:
                    yield group
                    group, size = [], 0
            if block is None:
                break
            coming = asyncio.ensure_future(anext(blocks, None))
    finally:
        coming.cancel()
    if group:
        yield group


class NdjsonResponse(Response):
    """Sends results as JSON lines while they are made, and goes on where nobody reads them yet.

    Many clients read an answer only once they have sent everything. What they have not read yet
    waits in a file, so that a sender is never made to wait for itself as a reader.
    """

    media_type = NDJSON_MEDIA_TYPE

    def __init__(self, results: AsyncIterator[Mapping[str, Any]]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._results = results

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        with _Spool() as spool:
            making = asyncio.ensure_future(self._make(spool))
            try:
                async for block in spool.blocks():
                    await send({"type": "http.response.body", "body": block, "more_body": True})
                await making
            finally:
                making.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _make(self, spool: "_Spool") -> None:
        try:
            async for each in self._results:
                spool.append(json.dumps(each, ensure_ascii=False).encode("utf-8") + b"\n")
        finally:
            spool.close()


class _Spool:
    """Bytes that are written at the end and read from the beginning; many of them in a file."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=RESULTS_IN_MEMORY)  # noqa: SIM115
        self._changed = asyncio.Event()
        self._read = 0
        self._written = 0
        self._closed = False

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, line: bytes) -> None:
        self._file.seek(self._written)
        self._written += self._file.write(line)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def blocks(self) -> AsyncIterator[bytes]:
        while not (self._closed and self._read == self._written):
            await self._changed.wait()
            self._changed.clear()
            while self._read < self._written:
                self._file.seek(self._read)
                block = self._file.read(BLOCK_BYTES)
                self._read += len(block)
                yield block
