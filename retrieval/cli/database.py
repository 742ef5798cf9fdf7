"""Commands for the database itself: init, doctor, sql, stop."""

import typer
from rich.text import Text

from retrieval.cli.options import DatabaseUrl, Json
from retrieval.cli.output import as_dictionaries, console, print_json
from retrieval.database import (
    check_schema,
    current_revision,
    diagnose,
    head_revision,
    migration_sql,
    stop_embedded_server,
    transaction,
    upgrade_schema,
)
from retrieval.settings import Settings


def init(database_url: DatabaseUrl = None) -> None:
    """Create the schema `retrieval`, or bring it to this version."""
    with transaction(database_url) as connection:
        before = current_revision(connection)
        upgrade_schema(connection)
        check_schema(connection)
    after = head_revision()
    done = "is up to date" if before == after else "was created" if before is None else "upgraded"
    console.print(f"schema retrieval {done} (revision {after})")


def doctor(database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Look for what is wrong with the database; exit code 1 if anything is."""
    with transaction(database_url) as connection:
        findings = list(diagnose(connection))
    if json:
        print_json(as_dictionaries(findings))
    else:
        styles = {"ok": "green", "warning": "yellow", "error": "red"}
        for finding in findings:
            line = Text(f"{finding.level:<8}", style=styles[finding.level])
            line.append(f"{finding.subject}: {finding.message}", style="default")
            line.append(f"; {finding.advice}" if finding.advice else "", style="default")
            console.print(line, soft_wrap=True)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


def sql() -> None:
    """Print the whole schema as SQL, for teams that apply it with another tool."""
    print(migration_sql(), end="")


def stop() -> None:
    """Stop the embedded server, which the other commands leave running."""
    stopped = stop_embedded_server(Settings().data_directory)
    console.print("the embedded server was stopped" if stopped else "no embedded server is running")
