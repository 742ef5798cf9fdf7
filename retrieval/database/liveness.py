"""Connections that the server has closed, found without asking it."""

import select
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from retrieval.errors import RetrievalError

# serialization failure, deadlock
_CONFLICTS = {"40001", "40P01"}


def refuse_closed_connections(engine: Engine) -> None:
    """Replace a connection of the pool whose end the server has sent, when it is taken from there.

    A server that is restarted, or ends a session, says so to every client; that waits in the socket
    where otherwise nothing is. To look there takes a microsecond, to ask the server a round trip.
    """
    event.listen(engine, "checkout", _check)


def may_be_repeated(error: RetrievalError) -> bool:
    """Whether what only reads may do better at once: its connection ended, or it was in the way."""
    ended = bool(getattr(error.__cause__, "connection_invalidated", False))
    return ended or was_in_the_way(error)


def was_in_the_way(error: RetrievalError) -> bool:
    """Whether a statement was given up for another one, or for what a replica replays."""
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) in _CONFLICTS


def _check(dbapi_connection: Any, record: Any, proxy: Any) -> None:
    if _has_news(record.driver_connection):
        raise DisconnectionError("the server has closed the connection")


def _has_news(connection: Any) -> bool:
    try:
        socket: int = connection.pgconn.socket
    except psycopg.Error:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(socket, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([socket], [], [], 0)[0])
