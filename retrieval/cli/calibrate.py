"""`retrieval calibrate`."""

from dataclasses import asdict
from typing import Annotated

import typer

from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import print_json, say


def calibrate(
    collection: str,
    database_url: DatabaseUrl = None,
    space: Annotated[
        str | None, typer.Option(help="Name of a dense space; without it the active one.")
    ] = None,
    sample: Annotated[int, typer.Option(help="How many chunks to compare.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing.")] = False,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Find what an embedding space should count beside the words, and store it."""
    with open_retriever(database_url, tenant) as retriever:
        found = retriever.calibrate(collection, space, sample=sample, store=not dry_run)
    if json:
        print_json(asdict(found))
    elif found.weight is None:
        say(
            f"space {found.space_name}: {found.sampled} chunks of the sample share words with "
            "enough others, which are too few to say"
        )
    else:
        say(
            f"space {found.space_name}: {found.agreement:.0%} of the nearest chunks of "
            f"{found.sampled} are alike by words too; it counts {found.weight:g} beside keyword 1"
        )
