"""Options of searches, and what they are turned into."""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Any

import typer

from retrieval.errors import InvalidInput

Query = Annotated[str, typer.Argument(help='Words, "a phrase", -not, or, prefix*.')]
MaxResults = Annotated[int, typer.Option("--max-results", "-n")]
Filter = Annotated[
    str | None,
    typer.Option(help='Metadata filter as JSON: {"year": {"$gte": 2024}}.', metavar="JSON"),
]
Leg = Annotated[
    list[str] | None,
    typer.Option(
        help="keyword, semantic, sparse or late_interaction; repeatable. Without it the first two."
    ),
]
Fusion = Annotated[
    str | None,
    typer.Option(help="relative, rrf or dbsf; without it as the collection is set, else relative."),
]
Weight = Annotated[
    list[str] | None,
    typer.Option(help="What a leg counts, as in keyword=2; repeatable.", metavar="LEG=NUMBER"),
]
RrfK = Annotated[
    int | None,
    typer.Option("--rrf-k", help="k of the fusion rrf; without it the collection's, else 60."),
]
Candidates = Annotated[
    int | None,
    typer.Option(help="How many chunks each leg contributes; without it the collection's, or 100."),
]
K1 = Annotated[
    float | None,
    typer.Option(
        "--k1",
        help="How long more occurrences of a word count, 0 to 100; without it the collection's, "
        "else 1.2.",
    ),
]
B = Annotated[
    float | None,
    typer.Option(
        "--b",
        help="How much long chunks are held back, 0 to 1; without it the collection's, else 0.75.",
    ),
]
FieldWeight = Annotated[
    list[str] | None,
    typer.Option(
        help="What words count in title, context or content, as in title=2; repeatable.",
        metavar="FIELD=NUMBER",
    ),
]
Boosts = Annotated[
    str | None,
    typer.Option(
        help='Boosts by metadata as JSON: {"field": "team", "values": {"security": 1.5}}.',
        metavar="JSON",
    ),
]
DuplicateSimilarity = Annotated[
    float | None,
    typer.Option(help="Leave out what is so similar to a better hit, 0 to 1; 0.95 is a copy."),
]
PerDocument = Annotated[int | None, typer.Option(help="So many chunks of a document at most.")]
MmrLambda = Annotated[
    float | None,
    typer.Option("--mmr-lambda", help="Choose for diversity: 0 for that alone, 1 for none."),
]
Offset = Annotated[
    int | None, typer.Option(help="Leave out so many of the best, for the pages after the first.")
]
LateInteraction = Annotated[
    str | None,
    typer.Option(help="What late_interaction scores: candidates of the other legs, or collection."),
]
Space = Annotated[
    str | None, typer.Option(help="The dense space; without it the active one.", metavar="NAME")
]
AlsoSpace = Annotated[
    list[str] | None,
    typer.Option(help="One more space to search, a leg by its name; repeatable.", metavar="NAME"),
]
SearchEffort = Annotated[
    int | None,
    typer.Option(help="ef_search or probes of the vector index; without it the space's."),
]
Rerank = Annotated[
    str | None,
    typer.Option(
        help="Order the hits again by a cross-encoder, a hub id or a folder; default is that "
        "of RETRIEVAL_RERANKER, word-overlap needs no model, none is for none. Without it as the "
        "collection is set.",
        metavar="NAME",
    ),
]


NO_RERANKER = "none"


def reranker(name: str | None) -> str | bool | None:
    """What a search takes for the name of --rerank; None is left to the collection."""
    return {"default": True, NO_RERANKER: False}.get(name or "", name)


def parse_filter(filter: str | None) -> dict[str, Any] | None:
    """The filter as a dictionary; InvalidInput where it is not a JSON object."""
    parsed = _parse("--filter", filter)
    if parsed is not None and not isinstance(parsed, dict):
        raise InvalidInput(f"--filter must be a JSON object, not {filter}")
    return parsed


def parse_boosts(boosts: str | None) -> Any:
    """The boosts as they are given, one or a list; InvalidInput where that is not JSON."""
    parsed = _parse("--boosts", boosts)
    if boosts is not None and not isinstance(parsed, dict | list):
        raise InvalidInput(f"--boosts must be a JSON object or an array of them, not {boosts}")
    return parsed


def _parse(option: str, given: str | None) -> Any:
    if given is None:
        return None
    try:
        return json.loads(given)
    except ValueError as error:
        raise InvalidInput(f"{option} is not JSON: {error}") from error


def parse_weights(
    given: Sequence[str] | None,
    option: str = "--weight",
    form: str = "LEG=NUMBER, as in keyword=2",
) -> dict[str, float] | None:
    """Names and numbers, any number of times, as a dictionary; None where there is none."""
    weights = {}
    for each in given or ():
        name, _, number = each.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            name = ""
        if not name or not isfinite(weights[name]):
            raise InvalidInput(f"{option} takes {form}, not {each!r}")
    return weights or None
