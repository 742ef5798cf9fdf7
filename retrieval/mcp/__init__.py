"""The MCP server: searching and reading as tools for a language model, in this process.

The package `mcp` at the top level is the protocol's own.
"""

from retrieval.mcp.access import Access, open_access
from retrieval.mcp.server import create_server, serve_stdio

__all__ = ["Access", "create_server", "open_access", "serve_stdio"]
