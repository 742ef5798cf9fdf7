"""Tells the observer how long a search takes in the database, and where it asks, each leg."""

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, func, select

from retrieval.observing import observer
from retrieval.orm import LEGS
from retrieval.search.request import SearchRequest
from retrieval.steps import Read, Steps

EXPLAIN = "retrieval.explain"
EXPLANATION = "retrieval.explanation"


def observed_rows(
    statement: Select[Any],
    parameters: Mapping[str, Any] | None,
    request: SearchRequest,
    only_leg: str | None,
) -> Steps[list[Any]]:
    """The rows of a search; `only_leg` where its statement is nothing else than that."""
    legs = [leg for leg in LEGS if leg in request.legs] + ["space"] * bool(request.spaces)
    explained = only_leg is None and observer().wants_legs()
    run = partial(_rows, statement, parameters, "+".join(legs), only_leg, explained)
    found: list[Any] = yield Read(run, transaction=explained)
    return found


def _rows(
    statement: Select[Any],
    parameters: Mapping[str, Any] | None,
    legs: str,
    only_leg: str | None,
    explained: bool,
    used: Connection,
) -> list[Any]:
    watching, began = observer(), time.perf_counter()
    if explained:
        _set(used, **{EXPLAIN: "on", EXPLANATION: ""})
    with watching.stage("search", legs=legs):
        rows = list(used.execute(statement, parameters))
    if only_leg is not None:
        watching.legs([(only_leg, time.perf_counter() - began)])
    if explained:
        watching.legs(_leg_seconds(used))
        _set(used, **{EXPLAIN: "off"})  # the transaction may be the caller's
    return rows


def _set(used: Connection, **settings: str) -> None:
    used.execute(select(*(func.set_config(name, value, True) for name, value in settings.items())))


def _leg_seconds(used: Connection) -> list[tuple[str, float]]:
    """What hybrid search measured of each leg, as it always does."""
    said = used.scalar(select(func.current_setting(EXPLANATION, True)))
    return [
        (each["leg"] if each["leg"] in LEGS else "space", each["milliseconds"] / 1000)
        for each in (json.loads(said)["legs"] if said else [])
    ]
