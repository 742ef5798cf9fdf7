"""Finds the classes and functions of a source text."""

from bisect import bisect_right
from typing import Any

from retrieval.chunking.outline import Outline, Path

# In the grammars of most languages whatever has a name and a body is a definition.
_DEFINITIONS = "(_ name: (_) @name body: (_)) @definition"


def outline_of_code(source: str, grammar: Any) -> Outline:
    """The classes and functions around a place; one that begins right there is not.

    Empty for a language whose grammar does not tell names and bodies.
    """
    starts = [0]
    paths: list[Path] = [()]
    open_definitions: list[tuple[int, Path]] = []

    def close(until: int) -> None:
        while open_definitions and open_definitions[-1][0] <= until:
            end, _ = open_definitions.pop()
            starts.append(end)
            paths.append(open_definitions[-1][1] if open_definitions else ())

    for start, end, name in _definitions(source, grammar):
        close(start)
        above = open_definitions[-1][1] if open_definitions else ()
        open_definitions.append((end, (*above, name)))
        starts.append(start + 1)
        paths.append((*above, name))
    close(len(source))
    return Outline(lambda offset: paths[bisect_right(starts, offset) - 1], frozenset(paths))


def _definitions(source: str, grammar: Any) -> list[tuple[int, int, str]]:
    """Start, end and name of each, an outer one before those inside it."""
    from tree_sitter import Language, Parser, Query, QueryCursor, QueryError

    language = Language(grammar)
    try:
        query = Query(language, _DEFINITIONS)
    except QueryError:
        return []
    data = source.encode("utf-8", "replace")
    tree = Parser(language).parse(data)
    found = [
        (*captures["definition"][0].byte_range, *captures["name"][0].byte_range)
        for _, captures in QueryCursor(query).matches(tree.root_node)
    ]
    places = _character_offsets(data, sorted({place for each in found for place in each}))
    definitions = [
        (places[start], places[end], source[places[name] : places[name_end]])
        for start, end, name, name_end in found
    ]
    return sorted(definitions, key=lambda each: (each[0], -each[1]))


def _character_offsets(data: bytes, places: list[int]) -> dict[int, int]:
    """The offset in characters of each offset in bytes."""
    offsets = {0: 0}
    before = 0
    for place in places:
        offsets[place] = offsets[before] + len(data[before:place].decode("utf-8", "replace"))
        before = place
    return offsets
