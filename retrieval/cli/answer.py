"""`retrieval answer`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import console, errors, print_json, say
from retrieval.cli.search_options import parse_filter
from retrieval.generation import DEFAULT_MAX_TOKENS, Answer


def answer(
    collection: str,
    question: str,
    database_url: DatabaseUrl = None,
    chat_model: Annotated[
        str | None,
        typer.Option(
            envvar="RETRIEVAL_CHAT_MODEL",
            help="Language model, by the name that its server has for it.",
            show_default=False,
        ),
    ] = None,
    max_results: Annotated[
        int, typer.Option("--max-results", "-n", help="Chunks to search for.")
    ] = 10,
    max_tokens: Annotated[
        int, typer.Option(help="Of the passages that the model is given.")
    ] = DEFAULT_MAX_TOKENS,
    filter: Annotated[
        str | None,
        typer.Option(help='Metadata filter as JSON: {"year": {"$gte": 2024}}.', metavar="JSON"),
    ] = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Ask a collection, let a language model answer, and show what the answer cites."""
    with open_retriever(database_url, tenant) as retriever:
        answered = retriever.answer(
            collection,
            question,
            chat=chat_model,
            max_tokens=max_tokens,
            max_results=max_results,
            metadata_filter=parse_filter(filter),
        )
    if json:
        print_json(asdict(answered))
    else:
        print_answer(answered)


def print_answer(answered: Answer) -> None:
    """The text and what it cites; on the error stream what is wrong with it."""
    say(answered.text)
    if answered.citations:
        console.print()
    for passage in answered.citations:
        say(f"[{passage.number}] {' '.join(passage.heading.split())}")
    if answered.unknown_citations:
        numbers = ", ".join(map(str, answered.unknown_citations))
        warn(f"the model cited passages that there are not: {numbers}")
    if not answered.is_complete:
        warn("the model was stopped before it had finished")


def warn(line: str) -> None:
    errors.print(Text(f"warning: {line}"), soft_wrap=True)
