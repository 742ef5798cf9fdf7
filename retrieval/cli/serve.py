"""`retrieval serve`."""

import os
import sys
from typing import Annotated

import typer

from retrieval.cli.options import DatabaseUrl
from retrieval.settings import Settings


def serve(
    database_url: DatabaseUrl = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    no_authentication: Annotated[
        bool,
        typer.Option(
            "--no-authentication", help="Ask for no API keys; only on the loopback address."
        ),
    ] = False,
) -> None:
    """Serve the HTTP API; its description is at /docs. Keys to it: `retrieval keys create`."""
    from retrieval.logs import logging_to
    from retrieval.search import Retriever
    from retrieval.service import create_app
    from retrieval.service.loopback import is_loopback
    from retrieval.service.server import run_server

    if (no_authentication or Settings().authentication == "off") and not is_loopback(host):
        allowed = "127.0.0.1, ::1 or localhost"
        print(
            f"error: without authentication the service listens on {allowed} alone, not on {host}",
            file=sys.stderr,
        )
        raise typer.Exit(2)
    if no_authentication:
        os.environ["RETRIEVAL_AUTHENTICATION"] = "off"
    if database_url is not None:
        os.environ["RETRIEVAL_DATABASE_URL"] = database_url
    Retriever.open().close()  # what is wrong with the database is said in one line
    with logging_to():
        run_server(create_app(), host, port)
