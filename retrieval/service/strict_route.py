"""Lets through only what PostgreSQL can store and JSON can say.

Python's JSON reads NaN, lone surrogates and any depth; a path may hold bytes that are no text.
"""

import asyncio
import json
import math
import re
from collections.abc import Callable, Coroutine, Iterator
from email.message import Message
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from retrieval.errors import InvalidInput
from retrieval.service.consistency import say_how_far

MAXIMUM_DEPTH = 128
SMALL_BODY = 64 * 1024

_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictRoute(APIRoute):
    """A route whose path is text and whose body, where it takes one, is JSON that can be stored."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def checked(request: Request) -> Response:
            _check_path(request)
            if takes_body:
                _check_content_type(request)
                request = await _JsonRequest(request.scope, request.receive).parsed()
            response = await handle(request)
            await say_how_far(request, response)
            return response

        return checked


class _JsonRequest(Request):
    """A request whose body was read by `parse_json`."""

    _value: Any = None

    async def parsed(self) -> "_JsonRequest":
        try:
            body = await self.body()
        except ClientDisconnect as error:
            raise HTTPException(400, "the request ended before its body did") from error
        if body:
            # to change to a thread takes longer than to read what a search sends
            is_small = len(body) <= SMALL_BODY
            self._value = (
                parse_json(body) if is_small else await asyncio.to_thread(parse_json, body)
            )
        return self

    async def json(self) -> Any:
        return self._value


def parse_json(body: bytes) -> Any:
    """Read JSON: 400 where it is none, InvalidInput where PostgreSQL could not store it."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidInput(f"body: nested more than {MAXIMUM_DEPTH} deep") from error
    except ValueError as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    for path, part in _parts(value):
        reason = _unfit(part)
        if reason:
            raise InvalidInput(f"{path}: {reason}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and every scalar, with where it is; without recursion, to any depth."""
    waiting = [("body", value, 1)]
    while waiting:
        path, part, depth = waiting.pop()
        if depth > MAXIMUM_DEPTH:
            raise InvalidInput(f"body: nested more than {MAXIMUM_DEPTH} deep")
        if isinstance(part, dict):
            yield from ((path, key) for key in part)
            prefix = "" if path == "body" else f"{path}."
            waiting += [(f"{prefix}{key}", each, depth + 1) for key, each in part.items()]
        elif isinstance(part, list):
            if depth < MAXIMUM_DEPTH and _is_vector(part):
                continue  # one by one its numbers would take longer than the rest of a request
            waiting += [(path, each, depth + 1) for each in part]
        else:
            yield path, part


def _is_vector(part: list[Any]) -> bool:
    return set(map(type, part)) == {float} and all(map(math.isfinite, part))


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


def _check_content_type(request: Request) -> None:
    message = Message()
    message["content-type"] = given = request.headers.get("content-type", "")
    kind = message.get_content_type()
    if kind != "application/json" and not re.fullmatch(r"application/.+\+json", kind):
        sent = f"not {given!r}" if given else "which the request does not say"
        raise HTTPException(415, f"the body must be of the type application/json, {sent}")
