"""`retrieval serve`."""

import os
from typing import Annotated

import typer

from retrieval.cli.options import DatabaseUrl


def serve(
    database_url: DatabaseUrl = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the HTTP API; its description is at /docs."""
    from retrieval.logs import logging_to
    from retrieval.search import Retriever
    from retrieval.service import create_app
    from retrieval.service.server import run_server

    if database_url is not None:
        os.environ["RETRIEVAL_DATABASE_URL"] = database_url
    Retriever.open().close()  # what is wrong with the database is said in one line
    with logging_to():
        run_server(create_app(), host, port)
