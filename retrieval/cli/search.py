"""`retrieval search`."""

import json as json_module
from typing import Annotated, Any

import typer

from retrieval.cli.options import DatabaseUrl, Json
from retrieval.cli.output import as_dictionaries, print_hits, print_json
from retrieval.errors import InvalidInput
from retrieval.search import Retriever


def search(
    collection: str,
    query: Annotated[str, typer.Argument(help='Words, "a phrase", -not, or, prefix*.')],
    database_url: DatabaseUrl = None,
    max_results: Annotated[int, typer.Option("--max-results", "-n")] = 5,
    leg: Annotated[
        list[str] | None,
        typer.Option(help="keyword or semantic; repeat it for both, which is the default."),
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option(help='Metadata filter as JSON: {"year": {"$gte": 2024}}.', metavar="JSON"),
    ] = None,
    search_effort: Annotated[
        int | None,
        typer.Option(help="ef_search or probes of the vector index; without it the space's."),
    ] = None,
    rerank: Annotated[
        str | None,
        typer.Option(
            help="Order the hits again by a cross-encoder, a hub id or a folder; default is that "
            "of RETRIEVAL_RERANKER, word-overlap needs no model.",
            metavar="NAME",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Ask a collection and show the best chunks."""
    with Retriever.open(database_url) as retriever:
        hits = retriever.search(
            collection,
            query,
            max_results=max_results,
            legs=leg or ["keyword", "semantic"],
            metadata_filter=parse_filter(filter),
            search_effort=search_effort,
            rerank=True if rerank == "default" else rerank,
        )
    if json:
        print_json(as_dictionaries(hits))
    else:
        print_hits(hits)


def parse_filter(filter: str | None) -> dict[str, Any] | None:
    """The filter as a dictionary; InvalidInput where it is not a JSON object."""
    if filter is None:
        return None
    try:
        parsed = json_module.loads(filter)
    except ValueError as error:
        raise InvalidInput(f"--filter is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise InvalidInput(f"--filter must be a JSON object, not {filter}")
    return parsed
