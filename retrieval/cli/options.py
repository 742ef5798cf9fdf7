"""Options that several commands share."""

from typing import Annotated

import typer

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="RETRIEVAL_DATABASE_URL",
        help="PostgreSQL to use, as postgresql://…; without it the embedded server.",
        metavar="URL",
        show_default=False,
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

Model = Annotated[
    str | None,
    typer.Option(
        envvar="RETRIEVAL_MODEL",
        help="Embedding model of a new collection: a hub id or a folder.",
        show_default=False,
    ),
]

Tenant = Annotated[
    str | None,
    typer.Option(
        envvar="RETRIEVAL_TENANT",
        help="Whose documents these are; without it those that belong to no tenant.",
        show_default=False,
    ),
]
