"""Tries settings, each where the ones before it promise most."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrieval.evaluation.tuning.measured import Examination, Measured
from retrieval.evaluation.tuning.space import Parameters, RankingSpace
from retrieval.evaluation.tuning.tuned import Trial
from retrieval.spaces.progress import Progress

if TYPE_CHECKING:
    import optuna

EXPLORING = "trying settings"
CHOOSING = "choosing"
SIMPLIFYING = "simplifying"
# queries between two looks at whether a setting still has a chance
BATCH = 25
# settings tried before one is stopped for being worse than the median of them
WARM_UP = 10
FINALISTS = 5
# of the measure: what is not worth a setting that has more to it
NEGLIGIBLE = 0.001


@dataclass(slots=True)
class Study:
    """Tries settings of a ranking on the explored queries.

    A setting over the limit of milliseconds counts as worse than every one within it. `fixed` are
    arguments of every search.
    """

    examination: Examination
    space: RankingSpace
    fixed: Mapping[str, Any]
    explored: Sequence[str]
    max_latency: float | None
    trials: list[Trial] = field(default_factory=list)
    importance: Mapping[str, float] = field(default_factory=dict)
    _tried: list[tuple[Parameters, Measured]] = field(default_factory=list)

    def run(self, trials: int, seed: int, progress: Progress) -> None:
        """Try so many settings, the current one first, in an order that the seed decides.

        The sampler is the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl,
        "Algorithms for Hyper-Parameter Optimization", NIPS 2011).
        """
        import optuna

        with _quiet():
            study = optuna.create_study(
                direction="maximize",
                sampler=optuna.samplers.TPESampler(seed=seed),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=WARM_UP),
            )
            study.enqueue_trial(dict(self.space.first_trial()))
            for number in range(trials):
                study.optimize(self._try, n_trials=1)
                progress(EXPLORING, number + 1, trials)
            self.importance = _importance(study, seed)

    def best(self) -> list[tuple[Parameters, Measured]]:
        """The best settings within the limit that were tried to the end, best first."""
        within = [each for each in self._tried if self.is_within(each[1])]
        distinct = {str(self.arguments(each[0])): each for each in within}
        return sorted(distinct.values(), key=lambda each: -each[1].mean)[:FINALISTS]

    def is_within(self, found: Measured) -> bool:
        """Whether searches were as fast as they must be."""
        return self.max_latency is None or found.latency <= self.max_latency

    def arguments(self, parameters: Parameters) -> dict[str, Any]:
        """A setting as arguments of a search."""
        return {**self.fixed, **self.space.arguments(parameters)}

    def _try(self, trial: "optuna.Trial") -> float:
        import optuna

        parameters = self.space.suggest(trial)
        arguments = self.arguments(parameters)
        found = Measured({}, {})
        for start in range(0, len(self.explored), BATCH):
            found |= self.examination.measure(arguments, self.explored[start : start + BATCH])
            trial.report(found.mean, start)
            stopped = len(found.scores) < len(self.explored) and (
                trial.should_prune() or self._is_hopeless(found)
            )
            if stopped:
                self._note(arguments, found, stopped=True)
                if self.is_within(found):
                    raise optuna.TrialPruned
                return self._value(found)
        self._note(arguments, found, stopped=False)
        self._tried.append((parameters, found))
        return self._value(found)

    def _value(self, found: Measured) -> float:
        """The measure, or below 0 what is the lower the farther it is over the limit."""
        if self.max_latency is None or self.is_within(found):
            return found.mean
        return -found.latency / self.max_latency

    def _is_hopeless(self, found: Measured) -> bool:
        """Whether it is far too slow: a few slow searches may be the machine's."""
        return self.max_latency is not None and found.latency > 2 * self.max_latency

    def _note(self, arguments: Mapping[str, Any], found: Measured, *, stopped: bool) -> None:
        within = self.is_within(found)
        number = len(self.trials)
        self.trials.append(Trial(number, arguments, found.mean, found.latency, stopped, within))


def choose(
    study: Study, validated: Sequence[str], before: Measured, progress: Progress
) -> tuple[Parameters, Measured] | None:
    """The best of the best settings, with queries that the study has not seen as well.

    If that is better than `before`, each parameter that is not needed returns to what it was, so
    that no more is changed than what helps. None where no setting is within the limit.
    """
    finalists = study.best()
    found: list[tuple[Parameters, Measured]] = []
    for number, (parameters, explored) in enumerate(finalists):
        arguments = study.arguments(parameters)
        whole = explored | study.examination.measure(arguments, validated)
        if study.is_within(whole):
            found.append((parameters, whole))
        progress(CHOOSING, number + 1, len(finalists))
    if not found:
        return None
    best = max(found, key=lambda each: each[1].mean)
    return best if best[1].mean <= before.mean else _simplified(study, best, progress)


def _simplified(
    study: Study, best: tuple[Parameters, Measured], progress: Progress
) -> tuple[Parameters, Measured]:
    enough = best[1].mean - NEGLIGIBLE
    for number, (name, value) in enumerate(study.space.current.items()):
        parameters = {**best[0], name: value}
        arguments = study.arguments(parameters)
        found = best[1]
        if arguments != study.arguments(best[0]):
            found = study.examination.measure(arguments, best[1].scores)
        if found.mean >= enough and study.is_within(found):
            best = (parameters, found)
        progress(SIMPLIFYING, number + 1, len(study.space.current))
    return best


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Optuna warn, but not tell of each trial."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _importance(study: "optuna.Study", seed: int) -> dict[str, float]:
    """Nothing where too few trials ran to the end, or all did alike."""
    import optuna

    values = {trial.value for trial in study.get_trials(states=[optuna.trial.TrialState.COMPLETE])}
    if len(values) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
