"""Lines that people and programs can read, and that quote nothing."""

import io
import json
import logging
import sys

import pytest
from sqlalchemy import text

from retrieval import DatabaseUnavailable, InvalidInput, ModelUnavailable, SchemaMismatch
from retrieval.database import open_engine, translate_errors
from retrieval.logs import Event, describe, described_traceback, logging_to

CANARY = "canary-7291"
# fails with an error of a class that the service cannot explain, and quotes what it was given
QUOTING = """
create function pg_temp.quote(given text) returns void language plpgsql as $$
begin
    raise exception 'cannot use %', given
        using errcode = '38000', detail = 'Failing row contains ' || given;
end $$
"""


def logged(form: str, level: str = "INFO") -> list[str]:
    """What three lines become."""
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RETRIEVAL_LOG_FORMAT", form)
        environment.setenv("RETRIEVAL_LOG_LEVEL", level)
        with logging_to(stream):
            logging.getLogger("retrieval.test").info(Event("made", a=1, b="two words", c=None))
            logging.getLogger("retrieval.test").debug(Event("detail"))
            logging.getLogger("another").warning("of %s", "another")
    logging.getLogger("retrieval.test").error(Event("after"))
    return stream.getvalue().splitlines()


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_a_line_can_be_read_by_a_program() -> None:
    event = Event("e", a=1, b=0.12345, c=None, d="two words", e='"', f="a\nb")
    assert str(event) == 'event=e a=1 b=0.123 d="two words" e="\\"" f="a\\nb"'


def test_text() -> None:
    made, other = logged("text")
    assert made.startswith("time=2") and made.endswith(' level=INFO event=made a=1 b="two words"')
    assert other.endswith("level=WARNING of another")


def test_json() -> None:
    made, detail, _ = map(json.loads, logged("json", "DEBUG"))
    assert made.pop("time").count(":") >= 2
    assert made == {
        "level": "INFO",
        "logger": "retrieval.test",
        "event": "made",
        "a": 1,
        "b": "two words",
    }
    assert detail["event"] == "detail"
    assert len(logged("json", "ERROR")) == 1  # of another package, as before


def test_json_unless_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal, beginning in ((True, "time="), (False, "{")):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda shown=is_terminal: shown)
        with logging_to(stream):
            logging.getLogger("retrieval").info(Event("made"))
        assert stream.getvalue().startswith(beginning)


def test_what_is_written_of_errors() -> None:
    assert describe(ValueError(CANARY)) == "ValueError"
    assert describe(InvalidInput(CANARY)) == "InvalidInput"
    assert describe(ModelUnavailable("no such model")) == "no such model"
    assert describe(FileNotFoundError(2, "No such file")) == (
        "FileNotFoundError: [Errno 2] No such file"
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_tracebacks_quote_nothing(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_LOG_FORMAT", form)
    try:
        try:
            raise ExceptionGroup(CANARY, [raised(KeyError(CANARY))])
        except Exception as error:
            error.add_note(CANARY)
            raise RuntimeError(CANARY) from error
    except RuntimeError as error:
        written = described_traceback(error)
        stream = io.StringIO()
        with logging_to(stream):
            logging.getLogger("another").error("failed", exc_info=sys.exc_info())
    for each in (written, stream.getvalue()):
        assert CANARY not in each
        positions = [each.index(name) for name in ("KeyError", "RuntimeError")]
        assert positions == sorted(positions) and "in raised" in each


def test_a_failing_statement_is_not_quoted(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        connection.execute(text(QUOTING))
        try:
            with translate_errors():
                connection.execute(text("select pg_temp.quote(:given)"), {"given": CANARY})
        except Exception as error:
            assert CANARY in str(error)  # of the database's own words
            assert describe(error) == "DatabaseError (SQLSTATE 38000)"
            written = described_traceback(error)
            # nor does SQLAlchemy repeat the parameters
            assert "[SQL parameters hidden due to hide_parameters=True]" in str(error.__cause__)
        else:
            raise AssertionError("it did not fail")
    engine.dispose()
    assert CANARY not in written and "SQLSTATE 38000" in written


def test_what_to_do_is_told(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with pytest.raises(SchemaMismatch) as caught, translate_errors(), engine.connect() as opened:
        opened.execute(text("select from retrieval.collections"))
    engine.dispose()
    assert describe(caught.value).endswith("run: retrieval init")


def test_the_state_of_a_server_is_told() -> None:
    engine = open_engine("postgresql://someone:a-secret@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnavailable) as caught, translate_errors():
        engine.connect()
    assert "PostgreSQL cannot be reached" in describe(caught.value)
    assert "a-secret" not in described_traceback(caught.value)
