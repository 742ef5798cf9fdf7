"""The tools, a module for each."""

from typing import Any

from retrieval.mcp.tool import Tool
from retrieval.mcp.tools.facets import facets
from retrieval.mcp.tools.list_collections import list_collections
from retrieval.mcp.tools.read_document import read_document
from retrieval.mcp.tools.recommend import recommend
from retrieval.mcp.tools.search import search

TOOLS: tuple[Tool[Any, Any], ...] = (list_collections, search, read_document, recommend, facets)

__all__ = ["TOOLS"]
