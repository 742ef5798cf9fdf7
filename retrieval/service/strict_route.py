"""Lets through only what PostgreSQL can store and JSON can say.

Python's JSON reads NaN, lone surrogates and any depth; a path and a query may hold bytes that are
no text, and FastAPI passes over parameters that it does not know.
"""

import asyncio
import json
import math
import re
from collections.abc import Callable, Container, Coroutine, Iterator
from email.message import Message
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from fastapi import Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from retrieval.errors import InvalidInput

NDJSON_MEDIA_TYPE = "application/x-ndjson"
MAXIMUM_DEPTH = 128

_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictRoute(APIRoute):
    """A route whose URL is text and whose body, where it takes one, is JSON that can be stored."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        known = {
            parameter.alias
            for parameter in get_flat_params(self.dependant)
            if isinstance(parameter.field_info, params.Query)
        }

        async def checked(request: Request) -> Response:
            _check_path(request)
            _check_query(request, known)
            if takes_body:
                request = await self.with_body(request)
            return await handle(request)

        return checked

    async def with_body(self, request: Request) -> Request:
        """The request with its body checked."""
        if not is_json(content_type(request)):
            raise wrong_content_type(request, "application/json")
        return await JsonRequest(request.scope, request.receive).parsed()


class StreamRoute(StrictRoute):
    """A route that takes JSON lines beside JSON, as they come: FastAPI then sees no body."""

    async def with_body(self, request: Request) -> Request:
        if content_type(request) == NDJSON_MEDIA_TYPE:
            return _StreamedRequest(request.scope, request.receive)
        if not is_json(content_type(request)):
            raise wrong_content_type(request, f"application/json or {NDJSON_MEDIA_TYPE}")
        return await JsonRequest(request.scope, request.receive).parsed()


class UploadRoute(StrictRoute):
    """A route that takes a form with files."""

    async def with_body(self, request: Request) -> Request:
        if content_type(request) != "multipart/form-data":
            raise wrong_content_type(request, "multipart/form-data")
        return request


class JsonRequest(Request):
    """A request whose body was read by `parse_json`."""

    _value: Any = None

    async def parsed(self) -> "JsonRequest":
        try:
            body = await self.body()
        except ClientDisconnect as error:
            raise HTTPException(400, "the request ended before its body did") from error
        if body:
            try:
                self._value = await asyncio.to_thread(parse_json, body)
            except ValueError as error:
                raise HTTPException(400, f"the body is not JSON: {error}") from error
        return self

    async def json(self) -> Any:
        return self._value


class _StreamedRequest(Request):
    async def body(self) -> bytes:
        return b""


def parse_json(text: bytes, name: str = "body") -> Any:
    """Read JSON: ValueError where it is none, InvalidInput where PostgreSQL could not store it."""
    try:
        value = json.loads(text.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidInput(f"{name}: nested more than {MAXIMUM_DEPTH} deep") from error
    for path, part in _parts(value, name):
        reason = _unfit(part)
        if reason:
            raise InvalidInput(f"{path}: {reason}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _parts(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every key and every scalar, with where it is; without recursion, to any depth."""
    waiting = [(name, value, 1)]
    while waiting:
        path, part, depth = waiting.pop()
        if depth > MAXIMUM_DEPTH:
            raise InvalidInput(f"{name}: nested more than {MAXIMUM_DEPTH} deep")
        if isinstance(part, dict):
            yield from ((path, key) for key in part)
            prefix = "" if path == "body" else f"{path}."
            waiting += [(f"{prefix}{key}", each, depth + 1) for key, each in part.items()]
        elif isinstance(part, list):
            waiting += [(path, each, depth + 1) for each in part]
        else:
            yield path, part


def _unfit(part: Any) -> str | None:
    if isinstance(part, str) and "\0" in part:
        return "text with a NUL character cannot be stored"
    if isinstance(part, str) and _SURROGATE.search(part):
        return "text with a lone surrogate cannot be stored"
    if isinstance(part, float) and not math.isfinite(part):
        return "the number is too large"
    return None


def _check_path(request: Request) -> None:
    try:
        unquote_to_bytes(request.scope.get("raw_path") or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise HTTPException(400, "the path is not UTF-8") from error
    if "\0" in request.scope["path"]:
        raise InvalidInput("path: a name or key cannot hold a NUL character")


def _check_query(request: Request, known: Container[str]) -> None:
    """What is not known may be misspelt: it is refused rather than passed over."""
    try:
        unquote_to_bytes(request.scope["query_string"]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HTTPException(400, "the query of the URL is not UTF-8") from error
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise InvalidInput(f"query: there is no parameter {name!r}")
        if "\0" in value:
            raise InvalidInput(f"{name}: it cannot hold a NUL character")


def content_type(request: Request) -> str:
    """What the body is said to be, without its parameters."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return message.get_content_type() if request.headers.get("content-type") else ""


def is_json(kind: str) -> bool:
    """Whether it is JSON or one of the types made of it."""
    return kind == "application/json" or bool(re.fullmatch(r"application/.+\+json", kind))


def wrong_content_type(request: Request, taken: str) -> HTTPException:
    """The error for a body of another type."""
    given = request.headers.get("content-type", "")
    sent = f"not {given!r}" if given else "which the request does not say"
    return HTTPException(415, f"the body must be of the type {taken}, {sent}")
