"""Finds how a collection is best searched, and keeps it where that is proven."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from retrieval.errors import InvalidInput
from retrieval.evaluation.chosen_judgements import chosen_judgements
from retrieval.evaluation.rankings import rank_documents
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.evaluation.tuning.current import ranking_space
from retrieval.evaluation.tuning.measured import Examination, Measured, depth_of, measured
from retrieval.evaluation.tuning.parts import judged_parts
from retrieval.evaluation.tuning.space import Parameters, RankingSpace, set_statements
from retrieval.evaluation.tuning.study import Study, choose
from retrieval.evaluation.tuning.tuned import RankingTuning, Setting
from retrieval.evaluation.tuning.verdict import nothing_better, verdict
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import Reranker, create_reranker
from retrieval.search import Retriever
from retrieval.search.request import DEFAULT_LEGS
from retrieval.search.rerank import LATE_INTERACTION
from retrieval.spaces.progress import Progress, silent

JUDGING = "judging"
# what is not searched for where its leg, or any other, is not among the legs
UNTOUCHED = ("k1", "b", "fusion", "rrf_k", "candidates")


def tune(
    retriever: Retriever,
    collection: str,
    *,
    golden_set: str = "default",
    judgements: Judgements | None = None,
    measure: str = "nDCG@10",
    trials: int = 100,
    max_latency: float | None = None,
    legs: Collection[str] = DEFAULT_LEGS,
    rerankers: Sequence[str] = (),
    held_out: float = 0.3,
    seed: int = 0,
    store: bool = True,
    on_progress: Progress | None = None,
) -> RankingTuning:
    """Search for the ranking of a collection that reaches the most on its judged queries.

    Tried are the weights of `legs`, their fusion and candidates, field weights, k1 and b, diversity
    and each of `rerankers`; with `max_latency`, what answers 95 % of the searches within so many
    milliseconds. The best is kept as the collection's default if it gains significantly on the
    share of the queries that is `held_out`, which have no part in finding it.

    InvalidInput for fewer than 20 queries with a relevant document in the collection.
    """
    _check(trials, max_latency)
    depth_of(measure)
    progress = on_progress or silent
    known = chosen_judgements(retriever, collection, judgements, golden_set)
    parts = judged_parts(retriever, collection, known, held_out=held_out, seed=seed)
    query = next(iter(parts.learned.queries.values()))
    space = ranking_space(retriever, collection, query, legs, rerankers)
    models = {name: create_reranker(name) for name in space.rerankers if name != LATE_INTERACTION}
    semantic = "semantic" in space.legs
    examination = Examination(
        retriever, collection, parts.learned, measure, models, semantic=semantic
    )
    fixed = {} if set(legs) == set(DEFAULT_LEGS) else {"legs": list(legs)}
    study = Study(examination, space, fixed, parts.explored, max_latency)
    study.run(trials, seed, progress)
    before = examination.measure(study.arguments(space.current), parts.learned.queries)
    best = choose(study, parts.validated, before, progress)
    tuning = RankingTuning(
        collection=collection,
        measure=measure,
        max_latency=max_latency,
        seed=seed,
        queries=parts.counts,
        trials=study.trials,
        current=Setting(fixed, before.mean, before.latency),
        importance=study.importance,
    )
    if best is None or best[1].mean <= before.mean:
        return replace(tuning, reason=nothing_better(study.trials, max_latency, best is None))
    chosen = Setting(study.arguments(best[0]), best[1].mean, best[1].latency)
    judged = _judged(retriever, tuning, chosen, parts.held_out, models, progress)
    return _stored(retriever, judged, space, best[0], store)


def _judged(
    retriever: Retriever,
    tuning: RankingTuning,
    chosen: Setting,
    judgements: Judgements,
    models: Mapping[str, Reranker],
    progress: Progress,
) -> RankingTuning:
    """Search for the held-out queries, for the first time, by the current and the chosen setting.

    As anyone would search, with nothing computed before but the loading of the models.
    """
    found = []
    for number, setting in enumerate((tuning.current, chosen)):
        arguments = dict(setting.arguments)
        if arguments.get("rerank") in models:
            arguments["rerank"] = models[arguments["rerank"]]
        rankings = rank_documents(
            retriever,
            tuning.collection,
            judgements.queries,
            SearchSettings("tuned", arguments),
            depth=depth_of(tuning.measure),
        )
        found.append(measured(judgements, rankings, tuning.measure))
        progress(JUDGING, number + 1, 2)
    former, latter = found
    decided = verdict(tuning.measure, former, latter, tuning.max_latency, seed=tuning.seed)
    return replace(
        tuning,
        current=_on_held_out(tuning.current, former),
        chosen=_on_held_out(chosen, latter),
        difference=decided.difference,
        kept=decided.kept,
        reason=decided.reason,
    )


def _on_held_out(setting: Setting, found: Measured) -> Setting:
    return replace(setting, held_out=found.mean, held_out_latency=found.latency)


def _stored(
    retriever: Retriever,
    tuning: RankingTuning,
    space: RankingSpace,
    parameters: Parameters,
    store: bool,
) -> RankingTuning:
    """Make the chosen setting the collection's default, if it is kept; say how to do so anyway."""
    former = retriever.collection(tuning.collection).ranking or {}
    ranking = space.ranking(parameters)
    weights = {**former.get("weights", {}), **ranking.get("weights", {})}
    ranking = {**{name: former[name] for name in former if name in UNTOUCHED}, **ranking}
    if weights:
        ranking["weights"] = weights
    fields = space.field_weights(parameters)
    if fields == space.field_weights(space.current):
        fields = None
    stored = tuning.kept and store
    if stored:
        with retriever.engine.begin() as connection:
            retriever.set_ranking(tuning.collection, **ranking, connection=connection)
            if fields is not None:
                retriever.set_field_weights(tuning.collection, fields, connection=connection)
    statements = set_statements(tuning.collection, ranking, fields)
    return replace(tuning, stored=stored, statements=statements)


def _check(trials: int, max_latency: float | None) -> None:
    if trials < 1:
        raise InvalidInput(f"trials must be at least 1, not {trials}")
    if max_latency is not None and not max_latency > 0:
        raise InvalidInput(f"max_latency must be above 0 milliseconds, not {max_latency}")
