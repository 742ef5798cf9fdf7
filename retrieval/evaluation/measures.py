"""How good rankings are, by the measures of the field."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements

DEFAULT_MEASURES = ("nDCG@10", "RR@10", "R@100", "AP", "P@10", "Success@10")

# those with a value for each query, better when higher, that ir-measures needs no program for
KNOWN = ("nDCG", "RR", "R", "AP", "P", "Success", "Rprec", "Bpref", "Judged")
# that a search can return; trec_eval ends the process where a cutoff is 0
DEEPEST = 10_000
# where a measure says nothing of how far down it looks
USUAL_DEPTH = 100
# trec_eval keeps a counter for each grade up to the highest one
HIGHEST_GRADE = 10_000


def parse_measure(name: str) -> Any:
    """The measure of a name that ir-measures knows, such as nDCG@10, MRR@10, Recall@100 or MAP."""
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
        pipeline: Any = ir_measures.DefaultPipeline
        known = measure.NAME in KNOWN and pipeline.supports(measure)
    except (NameError, ValueError, SyntaxError, TypeError, AssertionError) as error:
        raise _unknown(name) from error
    cutoff, lowest = measure.params.get("cutoff", 1), measure.params.get("rel", 1)
    if not known or measure.params.get("dcg", "log2") != "log2":
        raise _unknown(name)
    if not 1 <= cutoff <= DEEPEST or lowest < 1:
        raise InvalidInput(f"measure {name!r}: a cutoff is from 1 to {DEEPEST}, a grade above 0")
    return measure


def _unknown(name: str) -> InvalidInput:
    return InvalidInput(f"measure {name!r} is not known; some are {', '.join(DEFAULT_MEASURES)}")


def measure_names(measures: Iterable[str]) -> list[str]:
    """Measures under the one name that each has, once: MRR@10 is RR@10."""
    names = list(dict.fromkeys(str(parse_measure(name)) for name in measures))
    if not names:
        raise InvalidInput("there is no measure")
    return names


def depth_of(measures: Iterable[str]) -> int:
    """How many documents of each query the measures look at; those without a cutoff at 100."""
    cutoffs = [parse_measure(name).params.get("cutoff") for name in measures]
    return max((each or USUAL_DEPTH for each in cutoffs), default=USUAL_DEPTH)


def answerable(judgements: Judgements) -> list[str]:
    """The keys of the queries that have a relevant document, which is one graded above 0.

    For the others every ranking scores 0, and their number would move each mean.
    """
    return [
        key
        for key in judgements.queries
        if any(grade > 0 for grade in judgements.relevance.get(key, {}).values())
    ]


def measure_rankings(
    relevance: Mapping[str, Mapping[str, int]],
    document_keys: Mapping[str, Sequence[str]],
    measures: Iterable[str] = DEFAULT_MEASURES,
) -> dict[str, dict[str, float]]:
    """The measures of each query of `relevance`, by query key and then by measure.

    `document_keys` are ranked, best first; a query for which nothing was found, or that has no
    relevant document, scores 0. A grade below 0 counts as 0; the gain of nDCG is the grade itself
    and its discount the logarithm to base 2, as in trec_eval.
    """
    import ir_measures

    names: dict[Any, list[str]] = {}
    for name in measures:
        names.setdefault(parse_measure(name), []).append(name)
    graded = {query: _checked(query, grades) for query, grades in relevance.items()}
    run = {query: _scored(keys) for query, keys in document_keys.items() if query in relevance}
    every = [name for given in names.values() for name in given]
    found = {query: dict.fromkeys(every, 0.0) for query in relevance}
    if not graded or not every:
        return found
    for each in ir_measures.iter_calc(list(names), graded, run):
        for name in names[each.measure]:
            found[each.query_id][name] = float(each.value)
    return found


def _scored(keys: Sequence[str]) -> dict[str, float]:
    """Scores that no two documents share, as trec_eval orders ties by their keys."""
    once = list(dict.fromkeys(keys))
    return {key: float(len(once) - place) for place, key in enumerate(once)}


def _checked(query: str, grades: Mapping[str, int]) -> dict[str, int]:
    for key, grade in grades.items():
        if grade > HIGHEST_GRADE:
            raise InvalidInput(
                f"query {query}, document {key}: grade {grade} is above {HIGHEST_GRADE}"
            )
    return {key: max(grade, 0) for key, grade in grades.items()}
