"""How good rankings are, by the measures of the field."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ir_measures

from retrieval.errors import InvalidInput

DEFAULT_MEASURES = ("nDCG@10", "RR@10", "R@100", "AP", "P@10", "Success@10")


def parse_measure(name: str) -> Any:
    """The measure of a name that ir-measures knows, such as nDCG@10, MRR@10, Recall@100 or MAP."""
    try:
        return ir_measures.parse_measure(name)
    except (NameError, ValueError, SyntaxError, TypeError) as error:
        raise InvalidInput(
            f"measure {name!r} is not known; some are {', '.join(DEFAULT_MEASURES)}"
        ) from error


def measure_rankings(
    relevance: Mapping[str, Mapping[str, int]],
    document_keys: Mapping[str, Sequence[str]],
    measures: Iterable[str] = DEFAULT_MEASURES,
) -> dict[str, dict[str, float]]:
    """The measures of each query of `relevance`, by query key and then by measure.

    `document_keys` are ranked, best first; a query for which nothing was found scores 0.
    """
    parsed = {parse_measure(name): name for name in measures}
    run = {
        query: {key: float(len(keys) - place) for place, key in enumerate(keys)}
        for query, keys in document_keys.items()
    }
    found: dict[str, dict[str, float]] = {
        query: dict.fromkeys(parsed.values(), 0.0) for query in relevance
    }
    graded = {query: dict(grades) for query, grades in relevance.items()}
    for each in ir_measures.iter_calc(list(parsed), graded, run):
        found[each.query_id][parsed[each.measure]] = float(each.value)
    return found
