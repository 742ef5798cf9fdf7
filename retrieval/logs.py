"""The log of a process that runs for long: a line for each event, as text or as JSON.

Never a text of a document or a query, nor a key. So of an exception no more is written than is
known to quote none of them: where it was raised, of which type it is, and a message where that is
this package's own or tells of the state of a server.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from traceback import format_tb
from typing import Any, TextIO

from retrieval import errors
from retrieval.settings import Settings

# classes of SQLSTATE whose messages name connections, roles, files and objects, but no values
_TELLING = ("08", "25", "28", "3D", "40", "42501", "53", "55", "57", "58", "F0", "XX")
# what this package says without quoting its input
_OWN = (
    errors.ConfigurationError,
    errors.DatabaseError,
    errors.NotFound,
    errors.AlreadyExists,
    errors.NotReady,
    errors.SpaceMismatch,
    errors.ModelUnavailable,
)


class Event:
    """What happened, with values; None is left out, and an exception is described."""

    def __init__(self, event: str, **values: Any) -> None:
        self.values: Mapping[str, Any] = {
            name: describe(value) if isinstance(value, BaseException) else value
            for name, value in {"event": event, **values}.items()
            if value is not None
        }

    def __str__(self) -> str:
        """The line; what has blanks, quotes or an equals sign is quoted as JSON."""
        return " ".join(f"{name}={_shown(value)}" for name, value in self.values.items())


def _shown(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    plain = text and not any(each in text for each in ' "=\\') and text.isprintable()
    return text if plain else json.dumps(text, ensure_ascii=False)


def describe(error: BaseException) -> str:
    """What may be written of an exception, in one line."""
    sqlstate = _sqlstate(error)
    if sqlstate is not None and not isinstance(error, errors.SchemaMismatch):
        said = sqlstate.startswith(_TELLING)
    else:
        said = isinstance(error, (*_OWN, OSError))
    message = " ".join(str(getattr(error, "orig", None) or error).split()) if said else ""
    if isinstance(error, errors.RetrievalError) and message:
        return message
    name = type(error).__name__ + (f" (SQLSTATE {sqlstate})" if sqlstate else "")
    return f"{name}: {message}" if message else name


def _sqlstate(error: BaseException) -> str | None:
    """That of the driver's error which this one is, wraps, or was made from."""
    found: BaseException | None = error
    while found is not None:
        sqlstate = getattr(getattr(found, "orig", None) or found, "sqlstate", None)
        if sqlstate is not None:
            return str(sqlstate)
        found = found.__cause__
    return None


def described_traceback(error: BaseException) -> str:
    """Where an exception and those behind it were raised, the first one first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [described_traceback(before)] if before is not None else []
    lines += ["".join(format_tb(error.__traceback__)).rstrip(), describe(error)]
    if isinstance(error, BaseExceptionGroup):
        lines += [described_traceback(each) for each in error.exceptions]
    return "\n".join(line for line in lines if line)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _traceback(record: logging.LogRecord) -> str | None:
    """Made anew: what the record holds as text another formatter has written, with messages."""
    error = record.exc_info[1] if record.exc_info else None
    return described_traceback(error) if error is not None else None


class TextFormatter(logging.Formatter):
    """`time=… level=… event=…`; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"time={_time(record)} level={record.levelname} {record.getMessage()}"
        traceback = _traceback(record)
        return f"{line}\n{traceback}" if traceback else line


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, and the values of the event or its message."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
        }
        if isinstance(record.msg, Event):
            said |= record.msg.values
        else:
            said["message"] = record.getMessage()
        if (traceback := _traceback(record)) is not None:
            said["traceback"] = traceback
        return json.dumps(said, ensure_ascii=False, default=str)


@contextmanager
def logging_to(stream: TextIO | None = None) -> Iterator[None]:
    """Write the log of this process, in the form and from the level that the settings say.

    Without a stream it goes to that of errors.
    From other packages only warnings are written, and what uvicorn says of its start and end.
    """
    settings, stream = Settings(), stream or sys.stderr
    kind = settings.log_format or ("text" if stream.isatty() else "json")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if kind == "text" else JsonFormatter())
    loggers = {name: logging.getLogger(name) for name in ("", "retrieval", "uvicorn.error")}
    before = {name: logger.level for name, logger in loggers.items()}
    loggers[""].addHandler(handler)
    for name, logger in loggers.items():
        logger.setLevel(settings.log_level if name else logging.WARNING)
    try:
        yield
    finally:
        loggers[""].removeHandler(handler)
        for name, logger in loggers.items():
            logger.setLevel(before[name])
