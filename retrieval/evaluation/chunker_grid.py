"""The ways of cutting documents that are compared, and how they are written."""

import json
from collections.abc import Sequence

from retrieval.chunking import Chunking, Strategy
from retrieval.embedding import Embedder
from retrieval.errors import InvalidInput

GRID_STRATEGIES: tuple[Strategy, ...] = ("auto", "recursive", "sentence", "semantic", "fixed")
GRID_SIZES = (64, 128, 256, 512)


def default_grid(embedder: Embedder) -> list[Chunking]:
    """Each strategy with sizes below what the model reads, and with that; and whole documents.

    The strategies markdown and code are what auto does with such documents.
    """
    sizes = [*(size for size in GRID_SIZES if size < embedder.max_tokens), None]
    return [
        *(Chunking(strategy, size) for strategy in GRID_STRATEGIES for size in sizes),
        Chunking("whole"),
    ]


def parse_chunking(given: str) -> Chunking:
    """Read a JSON object, or a strategy with sizes: sentence, sentence:200, sentence:200:20."""
    if given.lstrip().startswith("{"):
        try:
            stored = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"chunking {given!r} is not valid JSON ({error})") from error
        return Chunking.from_json(stored)
    strategy, *numbers = given.split(":")
    if len(numbers) > 2 or not all(each.isascii() and each.isdigit() for each in numbers):
        raise InvalidInput(
            f"chunking {given!r}: a strategy, and behind colons the most tokens and the overlap"
        )
    names = ("maximum_tokens", "overlap_tokens")
    sizes = dict(zip(names, map(int, numbers), strict=False))
    return Chunking.from_json({"strategy": strategy, **sizes})


def chunking_label(chunking: Chunking) -> str:
    """The short way to write a chunking, as `parse_chunking` reads it."""
    parts: list[str] = [chunking.strategy]
    if chunking.maximum_tokens is not None:
        parts.append(str(chunking.maximum_tokens))
        if chunking.overlap_tokens:
            parts.append(str(chunking.overlap_tokens))
    elif chunking.overlap_tokens:
        parts.append(f"overlap {chunking.overlap_tokens}")
    if chunking.strategy == "semantic" and chunking.breakpoint_percentile != 90:
        parts.append(f"percentile {chunking.breakpoint_percentile:g}")
    return ":".join(parts)


def distinct(chunkings: Sequence[Chunking]) -> list[Chunking]:
    """Each of them once, in their order."""
    return list(dict.fromkeys(chunkings))
