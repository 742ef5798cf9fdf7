"""The one place where a database error becomes an error of this package."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError

from retrieval import errors

# SQLSTATE, or its class where two characters: https://www.postgresql.org/docs/current/errcodes-appendix.html
_KINDS: dict[str, type[errors.RetrievalError]] = {
    "22": errors.InvalidInput,
    "23": errors.InvalidInput,
    "21000": errors.InvalidInput,
    "54": errors.InvalidInput,
    "42704": errors.NotFound,
    "42710": errors.AlreadyExists,
    "55000": errors.NotReady,
    "08": errors.DatabaseUnavailable,
    "28": errors.DatabaseUnavailable,
    "3D000": errors.DatabaseUnavailable,
    "53300": errors.DatabaseUnavailable,
    "57P": errors.DatabaseUnavailable,
    "0A000": errors.UnsupportedDatabase,
}
# the schema, a table, a function or a column that this package expects is not there
_MISSING_OBJECTS = {"3F000", "42P01", "42883", "42703"}
NEEDS_INIT = "the database has no retrieval schema of this version; run: retrieval init"


def _kind(sqlstate: str | None, constraint: str | None) -> type[errors.RetrievalError]:
    if sqlstate is None:
        return errors.DatabaseUnavailable
    if constraint == "space_signature":
        return errors.SpaceMismatch
    for length in (5, 3, 2):
        if sqlstate[:length] in _KINDS:
            return _KINDS[sqlstate[:length]]
    return errors.DatabaseError


def _one_line(message: str) -> str:
    return " ".join(message.split())


def from_database_error(error: DBAPIError) -> errors.RetrievalError:
    """The error that says to a user what the driver's error means."""
    original: Any = error.orig
    diagnosis = getattr(original, "diag", None)
    sqlstate = getattr(original, "sqlstate", None)
    if sqlstate in _MISSING_OBJECTS and "retrieval" in str(original):
        return errors.SchemaMismatch(NEEDS_INIT)
    message = _one_line(getattr(diagnosis, "message_primary", None) or str(original))
    hint = getattr(diagnosis, "message_hint", None)
    kind = _kind(sqlstate, getattr(diagnosis, "constraint_name", None))
    if kind is errors.DatabaseUnavailable:
        message = f"PostgreSQL cannot be reached: {message}"
    return kind(f"{message} ({_one_line(hint).rstrip('.')})" if hint else message)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what SQLAlchemy and psycopg raise inside of the block into a `RetrievalError`."""
    try:
        yield
    except DBAPIError as error:
        raise from_database_error(error) from error
