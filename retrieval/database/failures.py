"""The one place where a database error becomes an error of this package."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from retrieval import errors

# SQLSTATE, or its class where two characters: https://www.postgresql.org/docs/current/errcodes-appendix.html
_KINDS: dict[str, type[errors.RetrievalError]] = {
    "22": errors.InvalidInput,
    "23": errors.InvalidInput,
    "21000": errors.InvalidInput,
    "54": errors.InvalidInput,
    "42501": errors.NotPermitted,
    "42704": errors.NotFound,
    "42710": errors.AlreadyExists,
    "55000": errors.NotReady,
    "55006": errors.NotReady,
    "08": errors.DatabaseUnavailable,
    "28": errors.DatabaseUnavailable,
    "3D000": errors.DatabaseUnavailable,
    "53300": errors.DatabaseUnavailable,
    "57P": errors.DatabaseUnavailable,
    "57014": errors.DatabaseTimeout,
    "55P03": errors.DatabaseTimeout,
    "0A000": errors.UnsupportedDatabase,
    # CREATE EXTENSION without its files, before PostgreSQL 16
    "58P01": errors.UnsupportedDatabase,
}
# the schema, a table, a function or a column that this package expects is not there
_MISSING_OBJECTS = {"3F000", "42P01", "42883", "42703"}
# what these constraints ask for, in words
_CONSTRAINTS = {
    "documents_key_check": "a document_key must have 1 to 2000 bytes",
    "documents_metadata_check": "metadata must be a JSON object",
}
NEEDS_INIT = "the database has no retrieval schema of this version; run: retrieval init"


def _kind(sqlstate: str | None, constraint: str) -> type[errors.RetrievalError]:
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
    constraint = getattr(diagnosis, "constraint_name", None) or ""
    primary = _CONSTRAINTS.get(constraint) or getattr(diagnosis, "message_primary", None)
    message = _one_line(primary or str(original))
    hint = getattr(diagnosis, "message_hint", None)
    kind = _kind(sqlstate, constraint)
    if sqlstate is None and isinstance(error, DataError):
        kind = errors.InvalidInput  # the driver refused a value, such as a text with NUL
    if kind is errors.DatabaseUnavailable:
        message = f"PostgreSQL cannot be reached: {message}"
    return kind(f"{message} ({_one_line(hint).rstrip('.')})" if hint else message)


def _interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what SQLAlchemy and psycopg raise inside of the block into a `RetrievalError`.

    What an interruption makes fail on its way out, such as a rollback, is still an interruption.
    """
    try:
        yield
    except DBAPIError as error:
        interruption = _interruption(error)
        if interruption is not None:
            raise interruption from None
        raise from_database_error(error) from error
    except PoolTimeout as error:
        raise errors.Overloaded("all connections to the database are in use") from error
    except StatementError as error:
        # a value that cannot become a parameter, such as a vector of words
        raise errors.InvalidInput(_one_line(str(error.orig))) from error
    except UnicodeEncodeError as error:
        raise errors.InvalidInput(f"a text cannot be written as UTF-8: {error.reason}") from error
