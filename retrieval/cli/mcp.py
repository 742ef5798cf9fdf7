"""`retrieval mcp`."""

import asyncio
import logging
import sys
from typing import Annotated

import typer

from retrieval.cli.options import DatabaseUrl
from retrieval.errors import ConfigurationError


def mcp(
    database_url: DatabaseUrl = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(help="Show this collection alone; may be repeated.", show_default=False),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(help="Show what belongs to this tenant alone.", show_default=False),
    ] = None,
) -> None:
    """Serve search and reading to an agent, by the Model Context Protocol on the standard streams.

    Nothing is ever written to the database.
    """
    try:
        from retrieval.mcp import serve_stdio
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise ConfigurationError(
            "the MCP server needs a package: pip install 'retrieval[mcp]'"
        ) from error
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(serve_stdio(database_url, collections=collection or (), tenant=tenant))
