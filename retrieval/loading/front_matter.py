"""The YAML that may stand before a text, between two lines of dashes."""

import math
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml

from retrieval.ingestion.normalise import normalise_text

# With a name in its first line; without, the dashes are a thematic break.
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(?=[\w\"'][^\n]*:)(.*?)^(?:---|\.\.\.)[ \t]*(?:\n+|\Z)",
    re.DOTALL | re.MULTILINE,
)
LONGEST = 64 * 1024
# References let a few lines stand for millions of values.
MOST_VALUES = 10_000


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
    except (yaml.YAMLError, ValueError, RecursionError, TooManyValues):
        return {}, text
    return values, text[found.end() :]


class TooManyValues(Exception):
    """A structure is too large for metadata."""


def json_value(value: Any, budget: Iterator[int]) -> Any:
    """Return what JSON and PostgreSQL can hold of a value; dates become ISO 8601 text."""
    if next(budget, None) is None:
        raise TooManyValues
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
            str(json_value(name, budget)): json_value(each, budget) for name, each in value.items()
        }
    if isinstance(value, set):
        return [json_value(each, budget) for each in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [json_value(each, budget) for each in value]
    return normalise_text(str(value))
