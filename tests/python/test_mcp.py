"""The MCP server as agents meet it: a process of its own, asked by the protocol's own client."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from anyio.from_thread import BlockingPortal, start_blocking_portal
from command_line import Run
from jsonschema import Draft202012Validator
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import TextContent

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.mcp import create_server, open_access
from retrieval.mcp.found import found_chunks, found_text, short_metadata
from retrieval.search import Hit
from retrieval.search.searches import rows

PROGRAM = "from retrieval.cli import main; main()"
TEXT = "\n\n".join(f"# Chapter {each}\n\nKeys of kind {each} are rotated." for each in range(40))
DOCUMENTS = [
    Document(key="guide", title="Guide", content=TEXT, metadata={"team": "infra"}),
    Document(key="menu", content="Soup and bread are served at noon.", metadata={"team": "food"}),
    Document(key="stew", content="Soup with beans is served at noon.", metadata={"team": "food"}),
]


@dataclass(frozen=True)
class Agent:
    """A client of `retrieval mcp`; what the server writes to its error stream is in `log`."""

    portal: BlockingPortal
    client: Client
    log: Path

    def call(self, tool: str, **arguments: Any) -> tuple[Any, str]:
        """What a tool returns: by its schema, and as text."""
        result = self.portal.call(self.client.call_tool, tool, arguments)
        (content,) = result.content
        assert isinstance(content, TextContent) and not result.is_error, content
        return result.structured_content, content.text

    def error(self, tool: str, **arguments: Any) -> str:
        """The one line that a tool fails with."""
        result = self.portal.call(self.client.call_tool, tool, arguments)
        (content,) = result.content
        assert isinstance(content, TextContent) and result.is_error and "\n" not in content.text
        return content.text


@contextmanager
def agent(database_url: str, log: Path, *options: str) -> Iterator[Agent]:
    """Start a server in which every warning is an error."""
    settings = {"RETRIEVAL_DATABASE_URL": database_url, "RETRIEVAL_MODEL": "hashing"}
    command = ["-W", "error", "-c", PROGRAM, "mcp", *options]
    server = StdioServerParameters(command=sys.executable, args=command, env=os.environ | settings)
    with log.open("w") as errors, start_blocking_portal() as portal:
        client = Client(stdio_client(server, errlog=errors))
        with portal.wrap_async_context_manager(client):
            yield Agent(portal, client, log)


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> str:
    """A database with the collections `handbook`, `empty` and `secret`."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as retriever:
        for name in ("handbook", "empty", "secret"):
            retriever.create_collection(name)
        retriever.ingest("handbook", DOCUMENTS)
        retriever.ingest("secret", [Document(key="code", content="The safe opens with 1234.")])
    return module_database_url


@pytest.fixture(scope="module")
def shown(filled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """An agent that is shown all but the collection `secret`."""
    log = tmp_path_factory.mktemp("mcp") / "log"
    with agent(filled, log, "--collection", "handbook", "--collection", "empty") as running:
        yield running


def test_tools_describe_themselves(shown: Agent) -> None:
    tools = shown.portal.call(shown.client.list_tools).tools
    names = ["list_collections", "search", "read_document", "recommend", "facets"]
    assert [each.name for each in tools] == names
    for tool in tools:
        assert tool.annotations is not None and tool.annotations.read_only_hint
        assert tool.description and len(tool.description) > 80
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema)
        assert tool.input_schema["additionalProperties"] is False
        described = [each["description"] for each in tool.input_schema["properties"].values()]
        assert all(described)
    assert "list_collections" in (shown.client.instructions or "")


def test_collections_are_listed(shown: Agent) -> None:
    listed, text = shown.call("list_collections")
    empty, handbook = listed["collections"]
    assert (empty["name"], empty["chunks"]) == ("empty", 0)
    assert (handbook["name"], handbook["documents"]) == ("handbook", 3)
    assert handbook["model"] in text and "handbook: 3 documents, " in text


def test_a_search_returns_what_can_be_cited(shown: Agent) -> None:
    found, text = shown.call("search", collection="handbook", query="soup", max_results=2)
    best = found["hits"][0]
    assert {each["document_key"] for each in found["hits"]} == {"menu", "stew"}
    assert best["position"] == 0 and best["metadata"] == {"team": "food"} and best["score"] > 0
    assert text.startswith(f"[1] {best['document_key']} | position 0 | chunk_id {best['chunk_id']}")
    assert best["content"] in text and '{"team": "food"}' in text


def test_a_search_takes_filter_and_legs(shown: Agent) -> None:
    asked = {"collection": "handbook", "query": "keys soup", "legs": ["keyword"]}
    found, _ = shown.call("search", **asked, metadata_filter={"team": {"$in": ["infra"]}})
    assert {each["document_key"] for each in found["hits"]} == {"guide"}
    found, text = shown.call("search", **asked, metadata_filter={"team": "nobody"})
    assert found["hits"] == [] and text == "Nothing was found in handbook."


def test_a_document_is_read_in_pages(shown: Agent) -> None:
    asked = {"collection": "handbook", "document_key": "guide", "max_characters": 500}
    read, offset = "", 0
    while offset is not None:
        page, text = shown.call("read_document", **asked, offset=offset)
        assert page["offset"] == offset and page["characters"] == len(TEXT)
        assert page["content"] in text and text.startswith("guide | Guide")
        read, offset = read + page["content"], page["next_offset"]
    assert read == TEXT
    beyond, _ = shown.call("read_document", **asked, offset=10**6)
    assert beyond["content"] == "" and beyond["next_offset"] is None


def test_a_chunk_is_read_with_its_neighbours(shown: Agent) -> None:
    found, _ = shown.call("search", collection="handbook", query='"kind 20"', max_results=1)
    hit = found["hits"][0]
    asked = {"collection": "handbook", "chunk_id": hit["chunk_id"]}
    alone, _ = shown.call("read_document", **asked, before=0, after=0)
    wider, text = shown.call("read_document", **asked, before=20, after=20)
    start = alone["offset"]
    assert TEXT[start : start + len(alone["content"])] == alone["content"]
    assert TEXT[wider["offset"] :].startswith(wider["content"])
    assert len(alone["content"]) < len(wider["content"]) and alone["content"] in text


def test_recommendations_by_chunks_and_by_documents(shown: Agent) -> None:
    like, _ = shown.call("recommend", collection="handbook", like_documents=["menu"])
    assert like["hits"][0]["document_key"] == "stew"
    chunk = like["hits"][0]["chunk_id"]
    found, _ = shown.call("recommend", collection="handbook", like_chunks=[chunk], max_results=1)
    assert [each["document_key"] for each in found["hits"]] == ["menu"]


def test_facets_show_what_a_filter_can_ask_for(shown: Agent) -> None:
    found, text = shown.call("facets", collection="handbook", keys=["team"])
    assert found["facets"] == [
        {"key": "team", "value": "food", "documents": 2},
        {"key": "team", "value": "infra", "documents": 1},
    ]
    assert text.splitlines()[0] == 'team = "food": 2 documents'


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("search", {"collection": "nowhere", "query": "x"}, "collection nowhere does not exist"),
        ("search", {"query": "x"}, "collection: must be given; one of: empty, handbook"),
        ("search", {"collection": "handbook"}, "query: Field required"),
        ("search", {"query": "x", "max_result": 3}, "max_result: Extra inputs are not permitted"),
        ("search", {"query": "x", "max_results": 51}, "max_results: Input should be less than"),
        ("search", {"query": "x", "legs": ["magic"]}, "legs.0: Input should be 'keyword'"),
        ("search", {"query": "x", "legs": ["sparse"], "collection": "handbook"}, "sparse"),
        ("read_document", {"document_key": "x\0y", "collection": "handbook"}, "NUL"),
        (
            "search",
            {"query": "x", "collection": "handbook", "metadata_filter": {"year": {"$near": 1}}},
            "$near",
        ),
        ("read_document", {"collection": "handbook"}, "give either document_key or chunk_id"),
        (
            "read_document",
            {"collection": "handbook", "document_key": "lost"},
            "document lost does not exist in collection handbook",
        ),
        ("read_document", {"collection": "nowhere", "document_key": "x"}, "collection nowhere"),
        ("read_document", {"collection": "handbook", "chunk_id": 10**9}, "1000000000"),
        ("recommend", {"collection": "handbook"}, "like_chunks or like_documents must be given"),
        ("recommend", {"collection": "handbook", "like_documents": ["lost"]}, "lost"),
        (
            "recommend",
            {"collection": "handbook", "like_documents": ["menu"], "like_chunks": [1]},
            "not both",
        ),
        ("facets", {"collection": "handbook", "keys": []}, "keys: List should have at least 1"),
        ("drop_collection", {}, "tool drop_collection does not exist; one of: list_collections"),
    ],
)
def test_a_mistake_is_one_line(
    shown: Agent, tool: str, arguments: dict[str, Any], said: str
) -> None:
    message = shown.error(tool, **arguments)
    assert said in message and "Traceback" not in message
    assert shown.log.read_text() == ""


def test_only_what_is_shown_can_be_reached(shown: Agent, filled: str) -> None:
    with Retriever.open(filled, embedder=HashingEmbedder()) as retriever:
        (hit,) = retriever.search("secret", "safe")
    unknown = "collection secret does not exist"
    assert shown.error("search", collection="secret", query="safe") == unknown
    assert shown.error("facets", collection="secret", keys=["team"]) == unknown
    assert shown.error("recommend", collection="secret", like_chunks=[hit.chunk_id]) == unknown
    by_key = {"collection": "secret", "document_key": "code"}
    assert shown.error("read_document", **by_key) == unknown
    here = {"collection": "handbook"}
    for message in (
        shown.error("read_document", chunk_id=hit.chunk_id, **here),
        shown.error("recommend", like_chunks=[hit.chunk_id], **here),
    ):
        assert f"{hit.chunk_id} does not exist in collection handbook" in message


def test_the_only_collection_need_not_be_named(filled: str) -> None:
    async def search() -> Any:
        async with (
            open_access(filled, collections=["handbook"]) as access,
            Client(create_server(access)) as client,
        ):
            return (await client.call_tool("search", {"query": "soup"})).structured_content

    assert asyncio.run(search())["collection"] == "handbook"


def test_transactions_only_read_as_a_reader_of_the_tenant(filled: str) -> None:
    settings = sqlalchemy.text(
        "select current_setting('retrieval.tenant', true),"
        " current_setting('transaction_read_only'),"
        " current_user = 'retrieval_reader', to_regrole('retrieval_reader') is not null"
    )

    async def seen(tenant: str | None) -> tuple[Any, ...]:
        async with open_access(filled, tenant=tenant) as access:
            (row,) = await access.retriever._drive(rows(settings), None)  # type: ignore[arg-type]
            return tuple(row)

    for tenant in (None, "acme"):
        tenant_seen, read_only, is_reader, has_reader = asyncio.run(seen(tenant))
        assert (tenant_seen or None, read_only) == (tenant, "on")
        assert is_reader == has_reader


def test_a_tenant_reads_its_own(filled: str, tmp_path: Path) -> None:
    with psycopg.connect(filled) as connection:
        column = "select from pg_attribute where attrelid = 'retrieval.documents'::regclass"
        if not connection.execute(f"{column} and attname = 'tenant'").rowcount:
            pytest.skip("the schema knows no tenants")
    with Retriever.open(filled, embedder=HashingEmbedder()) as retriever:
        soup = Document(key="acme", content="The soup of Acme is secret.")
        retriever.for_tenant("acme").ingest("handbook", [soup])
    with agent(filled, tmp_path / "log", "--tenant", "acme") as running:
        found, _ = running.call("search", collection="handbook", query="soup")
        assert [each["document_key"] for each in found["hits"]] == ["acme"]
        asked = {"collection": "handbook", "document_key": "menu"}
        assert "menu does not exist" in running.error("read_document", **asked)


def test_a_server_that_cannot_start_says_why(command: Run) -> None:
    assert command("mcp", "--collection", "nowhere").error == "collection nowhere does not exist"


def test_what_is_returned_is_bounded() -> None:
    hits = [
        Hit(each, each, f"d{each}", "t" * 9_999, 0, "x" * 100_000, {}, 1.0) for each in range(50)
    ]
    found = found_chunks("handbook", hits)
    assert all(each.truncated and len(each.content) == 800 for each in found.hits)
    assert len(found_text(found)) < 60_000
    assert len(found_chunks("handbook", hits[:2]).hits[0].content) == 4_000
    assert short_metadata({"a": 1, "long": "x" * 2_000, "b": [2]}) == {"a": 1, "b": [2]}
    assert len(json.dumps(short_metadata({str(each): "x" * 90 for each in range(99)}))) < 1_200
