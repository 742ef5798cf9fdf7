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
    import uvicorn

    from retrieval.service import create_app

    if database_url is not None:
        os.environ["RETRIEVAL_DATABASE_URL"] = database_url
    uvicorn.run(create_app(), host=host, port=port)
