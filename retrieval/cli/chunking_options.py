"""Options that say how documents are cut."""

from typing import Annotated

import typer

from retrieval.chunking import STRATEGIES, Chunking, Strategy

Chunker = Annotated[
    Strategy | None,
    typer.Option(
        help=f"How documents are cut: {', '.join(STRATEGIES)}.", metavar="NAME", show_default=False
    ),
]
ChunkTokens = Annotated[
    int | None,
    typer.Option(help="The most tokens of a chunk; without it what the model reads."),
]
ChunkOverlap = Annotated[
    int | None, typer.Option(help="How many tokens a chunk repeats of the one before; 0 without.")
]
BreakpointPercentile = Annotated[
    float | None,
    typer.Option(help="For semantic: break at the larger distances, of 100 those above; 90."),
]


def chunking_options(
    strategy: Strategy | None,
    maximum_tokens: int | None,
    overlap_tokens: int | None,
    breakpoint_percentile: float | None,
) -> Chunking | None:
    """What was said of it, None where nothing was."""
    said = {
        "strategy": strategy,
        "maximum_tokens": maximum_tokens,
        "overlap_tokens": overlap_tokens,
        "breakpoint_percentile": breakpoint_percentile,
    }
    given = {name: value for name, value in said.items() if value is not None}
    return Chunking.from_json(given) if given else None
