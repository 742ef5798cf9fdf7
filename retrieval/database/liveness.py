"""Connections that the server has closed, found without asking it."""

import select
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from retrieval.errors import DatabaseUnavailable


def refuse_closed_connections(engine: Engine) -> None:
    """Replace a connection of the pool whose end the server has sent, when it is taken from there.

    A server that is restarted, or ends a session, says so to every client; that waits in the socket
    where otherwise nothing is. To look there takes a microsecond, to ask the server a round trip.
    """
    event.listen(engine, "checkout", _check)


def was_disconnected(error: DatabaseUnavailable) -> bool:
    """Whether a connection that there was came to its end, so that a new one may be had."""
    return bool(getattr(error.__cause__, "connection_invalidated", False))


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
