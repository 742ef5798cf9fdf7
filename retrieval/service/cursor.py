"""Cursors: where a page of a list ended, in a form that clients hand back as it is."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query

from retrieval.errors import InvalidInput
from retrieval.loading.normalise import is_storable

Limit = Annotated[
    int, Query(ge=1, le=1000, description="How many there are on a page.", examples=[100])
]
After = Annotated[
    str | None,
    Query(description="The `next` of the page before; without it the first page.", examples=[None]),
]
MOST_BIGINT = 2**63 - 1


def cursor(kind: str, *place: Any) -> str:
    """The cursor of a kind of list for what goes on after this place."""
    text = json.dumps([kind, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def place(kind: str, given: str | None, types: Sequence[type]) -> tuple[Any, ...] | None:
    """The place that a cursor is for; InvalidInput where it is not one of this kind of list."""
    if given is None:
        return None
    try:
        padded = given.encode("ascii") + b"=" * (-len(given) % 4)
        read = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        named, *values = read if isinstance(read, list) else [None]
    except (ValueError, binascii.Error, RecursionError):
        named, values = None, []
    fits = named == kind and [type(each) for each in values] == list(types)
    if not fits or not all(map(_is_usable, values)):
        raise InvalidInput(f"after: not the cursor of a page of {kind}")
    return tuple(values)


def _is_usable(value: Any) -> bool:
    if isinstance(value, str):
        return is_storable(value)
    return isinstance(value, int) and 0 <= value <= MOST_BIGINT
