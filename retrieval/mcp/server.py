"""The server: which tools there are, and what becomes of a call."""

import logging
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, redirect_stdout
from typing import Any

from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)

import retrieval
from retrieval.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    NotReady,
    RetrievalError,
    SpaceMismatch,
)
from retrieval.mcp.access import Access, open_access
from retrieval.mcp.tools import TOOLS

INSTRUCTIONS = """\
Searches and reads collections of documents in a database; nothing here changes them.
Call list_collections once to see what there is, then search with a question or with words.
A hit is a piece of a document; where it is not enough, read_document with its chunk_id shows what
stands around it, and with its document_key the whole document, page by page.
Cite what you use by its document_key, and the position where that helps."""

ERROR_LENGTH = 500
# the messages of the others name hosts, users or folders; those belong into the log
_OPEN = (AlreadyExists, InvalidInput, NotFound, NotReady, SpaceMismatch)

logger = logging.getLogger("retrieval.mcp")


def create_server(access: Access) -> Server[Any]:
    """The server over what may be reached; its transport is the caller's choice."""
    tools = {each.name: each for each in TOOLS}

    async def list_tools(
        context: ServerRequestContext[Any], parameters: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[each.declaration() for each in TOOLS])

    async def call_tool(
        context: ServerRequestContext[Any], parameters: CallToolRequestParams
    ) -> CallToolResult:
        try:
            if parameters.name not in tools:
                raise NotFound(f"tool {parameters.name} does not exist; one of: {', '.join(tools)}")
            return await tools[parameters.name].call(access, parameters.arguments or {})
        except RetrievalError as error:
            return _failure(parameters.name, error)
        except Exception as error:
            logger.exception("%s failed", parameters.name)
            return _failure(parameters.name, error)

    return Server(
        "retrieval",
        version=retrieval.__version__,
        title="retrieval",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_stdio(
    url: str | None = None, *, collections: Sequence[str] = (), tenant: str | None = None
) -> None:
    """Serve one client over the standard streams, until it closes them."""
    async with AsyncExitStack() as stack:
        # from then on the transport itself keeps what is printed away from the client
        with redirect_stdout(sys.stderr):
            opening = open_access(url, collections=collections, tenant=tenant)
            access = await stack.enter_async_context(opening)
        server = create_server(access)
        read, write = await stack.enter_async_context(stdio_server())
        await server.run(read, write, server.create_initialization_options())


def _failure(tool: str, error: Exception) -> CallToolResult:
    if isinstance(error, _OPEN):
        message = " ".join(str(error).split())
    else:
        logger.error("%s: %s", tool, " ".join(str(error).split()))
        message = f"{tool} cannot answer now; the reason is in the log of the server"
    if len(message) > ERROR_LENGTH:
        message = f"{message[: ERROR_LENGTH - 1]}…"
    return CallToolResult(content=[TextContent(type="text", text=message)], is_error=True)
