"""Evaluations over time: those recorded, and what changed between two of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, Float, Integer, Text, column, select
from sqlalchemy.dialects.postgresql import JSONB

from retrieval import orm
from retrieval.errors import InvalidInput, NotFound
from retrieval.evaluation.figures import plain, quiet
from retrieval.evaluation.significance import Difference, paired_difference
from retrieval.search import Retriever

# of the context, what two runs must share for their means to be of the same thing
SAME = ("judgements", "depth")
CORPUS = ("documents", "chunks", "fingerprint")


@dataclass(frozen=True, slots=True)
class RecordedEvaluation:
    """What settings reached on a golden set at a time; `measures` have mean, low and high."""

    evaluation_id: int
    golden_set: str | None
    golden_set_version: int | None
    name: str
    settings: Mapping[str, Any]
    context: Mapping[str, Any]
    measures: Mapping[str, Mapping[str, float | None]]
    queries: int
    created_at: datetime

    @property
    def measured(self) -> list[str]:
        """The measures in the order in which they were asked for, which JSON does not keep."""
        asked = [name for name in self.context.get("measures", []) if name in self.measures]
        return asked or sorted(self.measures)

    def mean(self, measure: str) -> float | None:
        """The mean of a measure; None where it was not measured."""
        return self.measures.get(measure, {}).get("mean")

    def is_comparable(self, other: "RecordedEvaluation") -> bool:
        """Whether the same was measured: settings of the name, on the same judgements and depth."""
        same = all(self.context.get(key) == other.context.get(key) for key in SAME)
        return same and self.name == other.name and self.golden_set == other.golden_set


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


def recorded_evaluations(
    retriever: Retriever,
    collection: str,
    golden_set: str | None = None,
    *,
    evaluation_ids: Sequence[int] | None = None,
    max_results: int = 50,
) -> list[RecordedEvaluation]:
    """The evaluations of a collection, newest first; of one golden set where it is named."""
    called = orm.call(
        "list_evaluations",
        collection=collection,
        golden_set=golden_set,
        max_results=max_results,
        evaluation_ids=None if evaluation_ids is None else list(evaluation_ids),
    ).table_valued(
        column("evaluation_id", BigInteger),
        column("golden_set_name", Text),
        column("golden_set_version", Integer),
        column("name", Text),
        column("settings", JSONB),
        column("context", JSONB),
        column("measures", JSONB),
        column("queries", BigInteger),
        column("created_at", DateTime(timezone=True)),
        name="evaluations",
    )
    return [RecordedEvaluation(*row) for row in retriever.read(select(*called.c))]


def query_measures(
    retriever: Retriever, collection: str, evaluation_id: int
) -> dict[str, dict[str, float]]:
    """What an evaluation measured, by query key and then by measure."""
    called = orm.call(
        "evaluation_queries", collection=collection, evaluation_id=evaluation_id
    ).table_valued(
        column("query_key", Text),
        column("query_text", Text),
        column("measures", JSONB),
        column("milliseconds", Float),
        column("document_keys", ARRAY(Text)),
        name="evaluation_queries",
    )
    rows = retriever.read(select(called.c.query_key, called.c.measures))
    return {row.query_key: row.measures for row in rows}


def previous(
    evaluation: RecordedEvaluation, recorded: Sequence[RecordedEvaluation]
) -> RecordedEvaluation | None:
    """The last comparable run before one."""
    before = [
        each
        for each in recorded
        if each.evaluation_id < evaluation.evaluation_id and evaluation.is_comparable(each)
    ]
    return max(before, key=lambda each: each.evaluation_id, default=None)


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


def plot_evaluations(recorded: Sequence[RecordedEvaluation], measure: str, path: Path) -> None:
    """Save a measure over time, a line for each of the settings on each golden set, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    lines: dict[str, list[RecordedEvaluation]] = {}
    for each in reversed(recorded):
        if each.mean(measure) is not None:
            lines.setdefault(plain(f"{each.name} on {golden_set_of(each)}"), []).append(each)
    for label, runs in lines.items():
        times: list[Any] = [run.created_at for run in runs]
        means: list[Any] = [run.mean(measure) for run in runs]
        errors = [[_error(run, measure, end) for run in runs] for end in ("low", "high")]
        axes.errorbar(times, means, errors, marker="o", capsize=3, label=label)
    axes.set(ylabel=measure, title=f"{measure} over time")
    axes.tick_params(axis="x", rotation=30)
    if lines:
        axes.legend(fontsize="small")
    with quiet():
        figure.savefig(path, dpi=150, format="png")


def _error(run: RecordedEvaluation, measure: str, end: str) -> float:
    """How far an end of the interval is from the mean."""
    mean, bound = run.mean(measure), run.measures[measure].get(end)
    return 0.0 if mean is None or bound is None else abs(mean - bound)


def golden_set_of(evaluation: RecordedEvaluation) -> str:
    """What was measured on: a golden set with its version, or judgements that are not stored.

    Of queries that people did not ask it says so.
    """
    if evaluation.golden_set is None:
        return f"judgements {str(evaluation.context.get('judgements'))[:8]}"
    origin = evaluation.context.get("origin")
    of_origin = f" ({origin})" if origin and origin != "human" else ""
    return f"{evaluation.golden_set} v{evaluation.golden_set_version}{of_origin}"
