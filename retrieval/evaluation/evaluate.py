"""Measures ways of searching a collection on queries whose answers are known."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from retrieval.errors import InvalidInput
from retrieval.evaluation.corpus import describe_corpus, missing_documents, rerankers
from retrieval.evaluation.golden import GoldenSet, given_set, stored_set
from retrieval.evaluation.measures import (
    DEEPEST,
    DEFAULT_MEASURES,
    depth_of,
    measure_names,
    measure_rankings,
)
from retrieval.evaluation.rankings import Rankings, rank_documents
from retrieval.evaluation.record import record
from retrieval.evaluation.results import (
    ComparedSettings,
    Evaluation,
    Measured,
    QueryResult,
    SettingsResult,
)
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.evaluation.significance import confidence_interval, holm, paired_difference
from retrieval.golden_sets.judgements import Judgements
from retrieval.search import Retriever
from retrieval.spaces.progress import Progress, silent


def evaluate(
    retriever: Retriever,
    collection: str,
    *,
    golden_set: str = "default",
    judgements: Judgements | None = None,
    settings: Sequence[SearchSettings] = (SearchSettings(),),
    measures: Iterable[str] = DEFAULT_MEASURES,
    depth: int | None = None,
    store: bool = True,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Search for every query of a golden set, or of other `judgements`, and measure what is found.

    Each of the settings is compared with the first ones. `depth` is how many documents of each
    query are looked at, without a number the most that a measure asks for; a measure without a
    cutoff, such as AP, is that of these. Queries without a relevant document are left out. With
    `store` each of the settings becomes one evaluation in the database. `on_progress(phase, done,
    total)` counts queries; a phase is the name of settings.

    InvalidInput where there is nothing to measure on, or settings that cannot be searched with;
    then nothing is stored.
    """
    names = measure_names(measures)
    deep = _checked_depth(depth, names)
    _check_names(settings)
    corpus = describe_corpus(retriever, collection)
    golden = (
        stored_set(retriever, collection, golden_set)
        if judgements is None
        else given_set(judgements)
    )
    missing, relevant = missing_documents(retriever, collection, golden.judgements)
    reranked = corpus["collection_settings"].get("ranking", {}).get("rerank")
    depths = [each.depth(deep, reranked) for each in settings]
    for each, own in zip(settings, depths, strict=True):
        _try(retriever, collection, golden.judgements, each, own)
    results = [
        _measure(retriever, collection, golden.judgements, each, names, own, seed, on_progress)
        for each, own in zip(settings, depths, strict=True)
    ]
    evaluation = Evaluation(
        collection,
        golden.name,
        golden.version,
        golden.origin,
        golden.judgements,
        names,
        results,
        _differences(results, names, seed),
        corpus | _how(golden, settings, names, deep, seed, missing),
        list(_warnings(golden, missing, relevant)),
    )
    return replace(evaluation, settings=record(retriever, evaluation)) if store else evaluation


def _checked_depth(depth: int | None, names: Sequence[str]) -> int:
    if depth is None:
        return depth_of(names)
    with_cutoff = [name for name in names if "@" in name]
    deepest = depth_of(with_cutoff) if with_cutoff else 1
    if not deepest <= depth <= DEEPEST:
        raise InvalidInput(
            f"depth must be from {deepest}, which the measures look at, to {DEEPEST}, not {depth}"
        )
    return depth


def _check_names(settings: Sequence[SearchSettings]) -> None:
    if not settings:
        raise InvalidInput("there are no settings to measure")
    names = [each.name for each in settings]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"two settings are called {name}")


def _try(
    retriever: Retriever,
    collection: str,
    judgements: Judgements,
    settings: SearchSettings,
    depth: int,
) -> None:
    """Search once: a mistake in the last settings is known before the first are measured."""
    query = next(iter(judgements.queries.values()))
    try:
        settings.find(retriever, collection, query, depth)
    except (InvalidInput, TypeError) as error:
        raise InvalidInput(f"settings {settings.name}: {error}") from error


def _measure(
    retriever: Retriever,
    collection: str,
    judgements: Judgements,
    settings: SearchSettings,
    names: Sequence[str],
    depth: int,
    seed: int,
    on_progress: Progress | None,
) -> SettingsResult:
    progress, total, done = on_progress or silent, len(judgements.queries), count(1)
    rankings = rank_documents(
        retriever,
        collection,
        judgements.queries,
        settings,
        depth=depth,
        on_query=lambda: progress(settings.name, next(done), total),
    )
    measured = measure_rankings(judgements.relevance, rankings.document_keys, names)
    p50, p95 = _percentiles(rankings)
    return SettingsResult(
        settings.name,
        settings.as_json(),
        {name: _mean([each[name] for each in measured.values()], seed) for name in names},
        {
            key: QueryResult(measured[key], rankings.milliseconds[key], found)
            for key, found in rankings.document_keys.items()
        },
        p50,
        p95,
    )


def _percentiles(rankings: Rankings) -> tuple[float, float]:
    import numpy as np

    p50, p95 = np.percentile(list(rankings.milliseconds.values()), (50, 95)).tolist()
    return float(p50), float(p95)


def _mean(values: Sequence[float], seed: int) -> Measured:
    return Measured(sum(values) / len(values), confidence_interval(values, seed=seed))


def _differences(
    results: Sequence[SettingsResult], names: Sequence[str], seed: int
) -> list[ComparedSettings]:
    """Each of the settings against the first ones, by measure."""
    first, *others = results
    compared = []
    for name in names:
        scores = {each.name: _scores(each, name) for each in results}
        found = [
            paired_difference(scores[first.name], scores[each.name], seed=seed) for each in others
        ]
        p_values = [each.p_value for each in found if each.p_value is not None]
        adjusted = holm(p_values) if len(p_values) == len(found) else [None] * len(found)
        compared += [
            ComparedSettings(name, first.name, each.name, difference, p_value)
            for each, difference, p_value in zip(others, found, adjusted, strict=True)
        ]
    return compared


def _scores(result: SettingsResult, name: str) -> list[float]:
    return [each.measures[name] for each in result.queries.values()]


def _how(
    golden: GoldenSet,
    settings: Sequence[SearchSettings],
    names: Sequence[str],
    depth: int,
    seed: int,
    missing: int,
) -> dict[str, Any]:
    """What of the measuring decides over its numbers."""
    return {
        "origin": golden.origin,
        "judgements": golden.digest,
        "queries": len(golden.judgements.queries),
        "left_out": golden.left_out,
        "missing_documents": missing,
        "measures": list(names),
        "depth": depth,
        "seed": seed,
        "rerankers": rerankers(settings),
    }


def _warnings(golden: GoldenSet, missing: int, relevant: int) -> Iterable[str]:
    if golden.origin == "synthetic":
        yield "the queries are synthetic: made from the documents, not asked by people"
    elif golden.origin == "clicks":
        yield "the judgements are clicks: on what was shown, and higher up more often"
    if len(golden.judgements.queries) == 1:
        yield "one query: no interval"
    if golden.left_out:
        yield f"{golden.left_out} queries without a relevant document are left out"
    if missing:
        yield (
            f"{missing} of {relevant} relevant documents are not in the collection, "
            "and can never be found"
        )
