"""The YAML that may stand before a text, between two lines of dashes."""

import math
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml

from retrieval.loading.normalise import normalise_text

# With a name in its first line; without, the dashes are a thematic break.
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(?=[\w\"'][^\n]*:)(.*?)^(?:---|\.\.\.)[ \t]*(?:\n+|\Z)",
    re.DOTALL | re.MULTILINE,
)
LONGEST = 64 * 1024
# References let a few lines stand for millions of values.
MOST_VALUES = 10_000
DEEPEST = 64


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Return the front matter as JSON values, and the text after it.

    What is not a YAML mapping, or unreasonably large, stays part of the text.
    """
    found = _FRONT_MATTER.match(text)
    if found is None or found.end(1) > LONGEST:
        return {}, text
    try:
        matter = yaml.load(found[1], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if not isinstance(matter, dict):
            return {}, text
        values = json_value(matter, iter(range(MOST_VALUES)))
    except (yaml.YAMLError, ValueError, RecursionError, NotMetadata):
        return {}, text
    return values, text[found.end() :]


class NotMetadata(Exception):
    """A structure is too large or too deep for metadata."""


def json_value(value: Any, budget: Iterator[int], depth: int = 0) -> Any:
    """Return what JSON and PostgreSQL can hold of a value; dates become ISO 8601 text."""
    if depth > DEEPEST or next(budget, None) is None:
        raise NotMetadata
    if isinstance(value, str):
        return normalise_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, dict):
        return {
            str(json_value(name, budget, depth + 1)): json_value(each, budget, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple | set):
        ordered = sorted(value, key=str) if isinstance(value, set) else value
        return [json_value(each, budget, depth + 1) for each in ordered]
    return normalise_text(str(value))
