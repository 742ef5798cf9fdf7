"""The rerankers that collections are set to: SQL stores them, and programs run them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from retrieval import orm
from retrieval.steps import Read, Steps

REMEMBERED_SECONDS = 30


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ranking of a collection says of reranking, and when the database was asked."""

    rerank: Mapping[str, Any] | None
    asked_at: float

    def is_recent(self) -> bool:
        return time.monotonic() - self.asked_at < REMEMBERED_SECONDS


class DefaultRerankers:
    """What `set_ranking` says of reranking, by collection.

    Each is remembered for 30 seconds, so that hardly a search asks for it, and what another process
    has set is heeded after that at the latest.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def of(self, collection: str) -> Steps[Mapping[str, Any] | None]:
        """{"model": …, "candidates": …}; None where there is none, or no such collection."""
        known = self._known.get(collection)
        if known is None or not known.is_recent():
            statement = _statement(collection)
            rows = yield Read(lambda connection: _rows(connection, statement))
            if not rows:  # the search will say so
                return None
            known = self._known[collection] = _Known(rows[0][0], time.monotonic())
        return known.rerank

    def forget(self, collection: str) -> None:
        """Ask again the next time."""
        self._known.pop(collection, None)


def _statement(collection: str) -> Select[Any]:
    rerank = orm.Collection.settings["ranking"]["rerank"]
    return select(rerank).where(orm.Collection.name == collection)


def _rows(connection: Connection, statement: Select[Any]) -> list[Any]:
    return list(connection.execute(statement))
