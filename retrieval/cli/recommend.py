"""`retrieval recommend`."""

from typing import Annotated

import typer

from retrieval.cli import search_options as options
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import as_dictionaries, print_hits, print_json


def recommend(
    collection: str,
    keys: Annotated[list[str], typer.Argument(metavar="KEY…", help="Documents to be like.")],
    unlike: Annotated[
        list[str] | None,
        typer.Option("--not", help="A document to be unlike; repeatable.", metavar="KEY"),
    ] = None,
    database_url: DatabaseUrl = None,
    max_results: options.MaxResults = 5,
    filter: options.Filter = None,
    space: options.Space = None,
    strategy: Annotated[
        str | None, typer.Option(help="average_vector, which is the default, or best_score.")
    ] = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Show the documents most like some and unlike others, each by its best chunk."""
    with open_retriever(database_url, tenant) as retriever:
        hits = retriever.recommend_documents(
            collection,
            keys,
            unlike or (),
            max_results=max_results,
            metadata_filter=options.parse_filter(filter),
            space=space,
            strategy=strategy,
        )
    if json:
        print_json(as_dictionaries(hits))
    else:
        print_hits(hits)
