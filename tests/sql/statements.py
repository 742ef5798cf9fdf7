"""What the tests of the functions say again and again."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

Session = psycopg.Cursor | psycopg.Connection
Parameters = Sequence[Any] | Mapping[str, Any]


def put(session: Session, collection: str, *documents: dict[str, Any]) -> list[Any]:
    """Store documents; returns their chunks."""
    statement = "select * from retrieval.put_documents(%s, %s)"
    return session.execute(statement, [collection, Jsonb(documents)]).fetchall()


def vector(values: Iterable[float]) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(map(str, values))}]"


def value(session: Session, statement: str, parameters: Parameters = ()) -> Any:
    """The only column of the only row."""
    ((only,),) = session.execute(statement, parameters).fetchall()
    return only


def column(session: Session, statement: str, parameters: Parameters = ()) -> list[Any]:
    """The first column of every row."""
    return [row[0] for row in session.execute(statement, parameters)]


def failure(session: Session, statement: str, parameters: Parameters = ()) -> psycopg.Error:
    """The error that a statement ends with; its transaction can go on."""
    connection = session if isinstance(session, psycopg.Connection) else session.connection
    with pytest.raises(psycopg.Error) as raised, connection.transaction():
        session.execute(statement, parameters)
    return raised.value


def wait_until_blocked(observer: Session, session: psycopg.Connection) -> None:
    """Return when a session waits for another's lock."""
    for _ in range(1000):
        blockers = value(observer, "select pg_blocking_pids(%s)", [session.info.backend_pid])
        if blockers:
            return
        time.sleep(0.01)
    pytest.fail("the session waits for nobody")
