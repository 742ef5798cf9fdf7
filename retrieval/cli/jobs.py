"""`retrieval jobs …`: what waits to be embedded, what could not be, and another try."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, errors, print_json, print_table, say, table

ListedCollection = Annotated[
    str | None, typer.Argument(help="Without it, every collection.", show_default=False)
]


class ListByDefault(TyperGroup):
    """A group whose command `list` need not be named."""

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        """Name it where no command is."""
        if not arguments or arguments[0] not in (*self.commands, "--help"):
            arguments = ["list", *arguments]
        return super().parse_args(context, arguments)


app = typer.Typer(
    cls=ListByDefault,
    help="What workers embed: `retrieval jobs [COLLECTION]` lists it.",
)


@app.command("list")
def list_jobs(
    collection: ListedCollection = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="What could not be embedded, and why.")
    ] = False,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """List how many chunks wait, are being embedded, and could not be."""
    with open_retriever(database_url, tenant) as retriever:
        if failed:
            rows: list[Any] = list(retriever.failed_jobs(collection))
        else:
            rows = list(retriever.jobs(collection))
    if json:
        print_json(as_dictionaries(rows))
    elif failed:
        _print_failed(rows)
    else:
        _print_counts(rows)


def _print_counts(rows: list[Any]) -> None:
    if not rows:
        errors.print("nothing waits to be embedded")
        return
    listed = table(
        "collection", "space", "state", "pending", "running", "failed", "oldest", "per minute"
    )
    for row in rows:
        counts = (str(row.pending), str(row.running), str(row.failed))
        rate = "-" if row.per_minute is None else f"{row.per_minute:.0f}"
        listed.add_row(row.collection, row.space, row.state, *counts, _age(row.oldest), rate)
    print_table(listed)


def _age(since: datetime | None) -> str:
    """How long ago, in the largest unit that it fills."""
    if since is None:
        return "-"
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    units = (("d", 86400), ("h", 3600), ("min", 60))
    return next(
        (f"{seconds // size} {name}" for name, size in units if seconds >= size), f"{seconds} s"
    )


def _print_failed(rows: list[Any]) -> None:
    if not rows:
        errors.print("nothing has failed")
        return
    listed = table("job", "collection", "space", "document", "position", "error")
    for row in rows:
        place = (row.collection, row.space, row.document_key, str(row.position))
        listed.add_row(str(row.job_id), *place, row.error)
    print_table(listed)


@app.command()
def retry(
    collection: ListedCollection = None,
    space: Annotated[
        str | None, typer.Option(help="Only of this space.", show_default=False)
    ] = None,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
) -> None:
    """Let workers try again what has failed."""
    with open_retriever(database_url, tenant) as retriever:
        count = retriever.retry_jobs(collection, space)
    say(f"{count} jobs are due again")
