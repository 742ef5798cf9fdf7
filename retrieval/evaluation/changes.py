"""What changed between two recorded evaluations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from retrieval.errors import InvalidInput, NotFound
from retrieval.evaluation.history import (
    RecordedEvaluation,
    golden_set_of,
    query_measures,
    recorded_evaluations,
)
from retrieval.evaluation.significance import Difference, paired_difference
from retrieval.search import Retriever

CORPUS = ("documents", "chunks", "fingerprint")


@dataclass(frozen=True, slots=True)
class ComparedEvaluations:
    """What the latter of two runs gained, on the `queries` that both have measured.

    `means` are those of former and latter on these queries. `remarks` say what else has changed.
    """

    former: RecordedEvaluation
    latter: RecordedEvaluation
    queries: int
    means: Mapping[str, tuple[float, float]]
    differences: Mapping[str, Difference]
    remarks: list[str]


def compare_evaluations(
    retriever: Retriever, collection: str, former: int, latter: int, *, seed: int = 0
) -> ComparedEvaluations:
    """Compare two runs by the measures and on the queries that they share.

    NotFound where the collection has no such run, InvalidInput where they have nothing in common.
    """
    found = recorded_evaluations(retriever, collection, evaluation_ids=[former, latter])
    runs = {each.evaluation_id: each for each in found}
    for each in (former, latter):
        if each not in runs:
            raise NotFound(f"evaluation {each} does not exist in collection {collection}")
    one, two = (query_measures(retriever, collection, each) for each in (former, latter))
    shared = sorted(one.keys() & two.keys())
    names = [name for name in runs[former].measured if name in runs[latter].measures]
    if not shared or not names:
        nothing = "measure" if shared else "query"
        raise InvalidInput(f"evaluations {former} and {latter} have no {nothing} in common")
    scores = {
        name: ([one[key][name] for key in shared], [two[key][name] for key in shared])
        for name in names
    }
    return ComparedEvaluations(
        runs[former],
        runs[latter],
        len(shared),
        {name: (_mean(first), _mean(second)) for name, (first, second) in scores.items()},
        {name: paired_difference(*both, seed=seed) for name, both in scores.items()},
        list(_remarks(runs[former], runs[latter], len(shared))),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _remarks(former: RecordedEvaluation, latter: RecordedEvaluation, shared: int) -> Iterator[str]:
    sets = [golden_set_of(each) for each in (former, latter)]
    if sets[0] != sets[1]:
        yield f"the golden sets differ: {sets[0]} and {sets[1]}"
    elif former.context.get("judgements") != latter.context.get("judgements"):
        yield "the judgements differ"
    if shared < max(former.queries, latter.queries):
        yield f"of {former.queries} and {latter.queries} queries {shared} are in both"
    for said, keys in (
        ("the corpora differ", CORPUS),
        ("the depths differ", ("depth",)),
        ("the text configurations differ", ("text_config",)),
        ("the spaces differ", ("spaces",)),
        ("the settings of the collection differ", ("collection_settings",)),
    ):
        if any(former.context.get(key) != latter.context.get(key) for key in keys):
            told = _told(former, latter, keys[0])
            yield f"{said}{told}"
    if former.settings != latter.settings:
        yield "the settings differ"


def _told(former: RecordedEvaluation, latter: RecordedEvaluation, key: str) -> str:
    """Both values, where they are short."""
    values = former.context.get(key), latter.context.get(key)
    if any(isinstance(each, dict | list) for each in values):
        return ""
    return f": {values[0]} and {values[1]} {key.replace('_', ' ')}"
