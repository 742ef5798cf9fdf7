"""A real server on this machine that speaks an interface of OpenAI's, well-behaved and not."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-0123456789abcdef"


@dataclass
class Answer:
    """What the server says; no body is a connection that it drops."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Received:
    """One request, and when it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float


class Endpoint:
    """Answers a body as its subclass does, after the answers that a test put first."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.first: deque[Answer] = deque()
        self.respond: Callable[[dict[str, Any]], Answer] = self.answer
        self.most_at_once = self._now = 0
        self.meeting: threading.Barrier | None = None
        self._lock = threading.Lock()

    def answer(self, body: dict[str, Any]) -> Answer:
        """What a server in order answers."""
        raise NotImplementedError

    def handle(self, received: Received) -> Answer:
        """Note a request and answer it; with a meeting, when enough others have come."""
        with self._lock:
            self.received.append(received)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            answer = self.first.popleft() if self.first else None
        if self.meeting is not None:
            with suppress(threading.BrokenBarrierError):
                self.meeting.wait(timeout=30)
        answer = answer or self.respond(received.body)
        with self._lock:
            self._now -= 1
        return answer


@contextmanager
def listening(endpoint: Endpoint) -> Iterator[str]:
    """Let an endpoint answer at a free port; yields its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(endpoint)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = endpoint.handle(Received(self.path, headers, body, time.monotonic()))
            if answer.body is None:
                self.close_connection = True
                return
            text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # a client that has given up
                self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
