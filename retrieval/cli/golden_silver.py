"""`retrieval golden silver`: a synthetic golden set out of the documents themselves."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import print_json, print_table, say, snippet, table
from retrieval.cli.phases import Phases

if TYPE_CHECKING:
    from retrieval.golden_sets.judgements import Judgements

SILVER = "silver"


def silver(
    collection: Annotated[str, typer.Argument(show_default=False)],
    golden_set: Annotated[str, typer.Option("--set", help="Name of the new set.")] = SILVER,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="title, heading, sentence, known_item or question; repeatable; without it all "
            "but question.",
            show_default=False,
        ),
    ] = None,
    queries: Annotated[int, typer.Option(help="How many, at most.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the choice of documents.")] = 0,
    chat: Annotated[
        str | None,
        typer.Option(
            envvar="RETRIEVAL_CHAT_MODEL",
            help="The language model that writes questions, by its server's name for it.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the queries, and store nothing.")
    ] = False,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Make synthetic queries from the documents themselves, each with the document it is from.

    They tell a broken search from one that works; to choose between settings, judge real queries.
    """
    from retrieval.evaluation.silver import DEFAULT_KINDS, silver_judgements

    with open_retriever(database_url, tenant) as retriever, Phases() as show:
        made = silver_judgements(
            retriever,
            collection,
            kinds=kind or DEFAULT_KINDS,
            queries=queries,
            seed=seed,
            chat=chat,
            on_progress=show,
        )
        if not dry_run:
            description = f"made from the documents, seed {seed}: {_counts(made)}"
            with retriever.engine.begin() as connection:
                retriever.golden_sets.create(
                    collection,
                    golden_set,
                    origin="synthetic",
                    description=description,
                    connection=connection,
                )
                retriever.golden_sets.put(collection, golden_set, made, connection=connection)
    if json:
        print_json(asdict(made))
    else:
        _print(made, None if dry_run else golden_set)


def _counts(made: "Judgements") -> str:
    kinds = Counter(key.rpartition("-")[0] for key in made.queries)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _print(made: "Judgements", golden_set: str | None) -> None:
    if golden_set is None:
        listed = table("query", "document", "text")
        for key, query in made.queries.items():
            document = next(iter(made.relevance[key]))
            listed.add_row(key, Text(document), Text(snippet(query)))
        print_table(listed)
    place = "nothing was stored" if golden_set is None else f"stored as {golden_set}"
    say(f"{len(made.queries)} synthetic queries ({_counts(made)}); {place}")
