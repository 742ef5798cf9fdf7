"""What is searched for: parameters, and the arguments of a search that they become."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Trial

Parameters = Mapping[str, Any]

FIELDS = ("title", "context", "content")
FUSIONS = ("relative", "dbsf", "rrf")
# lowest, highest, and whether small differences matter among small values only
NUMBERS: dict[str, tuple[float, float, bool]] = {
    "title": (0, 5, False),
    "context": (0, 5, False),
    "k1": (0.2, 3, False),
    "b": (0, 1, False),
    "rrf_k": (1, 200, True),
    # fewer would leave no second page: one is cut from the candidates
    "candidates": (50, 400, True),
    "mmr_lambda": (0.3, 0.99, False),
    "rerank_candidates": (10, 100, True),
}
WHOLE = ("rrf_k", "candidates", "rerank_candidates")
SHARE = (0.0, 1.0, False)
# what the database does where nothing was set
DEFAULTS: Parameters = {
    "title": 1.0,
    "context": 1.0,
    "content": 1.0,
    "k1": 1.2,
    "b": 0.75,
    "fusion": "relative",
    "rrf_k": 60,
    "candidates": 100,
    "diverse": False,
    "mmr_lambda": 0.7,
    "reranker": None,
    "rerank_candidates": 50,
}


@dataclass(frozen=True, slots=True)
class RankingSpace:
    """The parameters of a collection that is searched by these legs.

    `current` has a value for each parameter, and is how the collection is searched now. The share
    of a leg, from 0 to 1, stands for its weight: the first leg has what the largest one leaves.
    """

    legs: Sequence[str]
    rerankers: Sequence[str]
    current: Parameters

    def first_trial(self) -> Parameters:
        """The current setting, or what is nearest to it within the ranges."""
        return {
            name: min(max(value, _range(name)[0]), _range(name)[1]) if _is_number(name) else value
            for name, value in self.current.items()
        }

    def suggest(self, trial: "Trial") -> Parameters:
        """A value for each parameter; one that would change nothing stays as it is."""
        chosen = dict(self.current)
        if "keyword" in self.legs:
            _suggest(trial, chosen, "title", "context", "k1", "b")
        if len(self.legs) > 1:
            _suggest(trial, chosen, *(_share(leg) for leg in self.legs[1:]), "candidates")
            chosen["fusion"] = trial.suggest_categorical("fusion", FUSIONS)
            if chosen["fusion"] == "rrf":
                _suggest(trial, chosen, "rrf_k")
        if "semantic" in self.legs:
            chosen["diverse"] = trial.suggest_categorical("diverse", (False, True))
            if chosen["diverse"]:
                _suggest(trial, chosen, "mmr_lambda")
        if self.rerankers:
            chosen["reranker"] = trial.suggest_categorical("reranker", (None, *self.rerankers))
            if chosen["reranker"]:
                _suggest(trial, chosen, "rerank_candidates")
        return chosen

    def ranking(self, parameters: Parameters) -> dict[str, Any]:
        """What `set_ranking` is to be called with."""
        ranking: dict[str, Any] = {}
        if "keyword" in self.legs:
            ranking |= {name: parameters[name] for name in ("k1", "b")}
        if len(self.legs) > 1:
            ranking |= {name: parameters[name] for name in ("fusion", "candidates")}
            ranking["weights"] = self._weights(parameters)
            if parameters["fusion"] == "rrf":
                ranking["rrf_k"] = parameters["rrf_k"]
        if parameters["diverse"]:
            ranking["mmr_lambda"] = parameters["mmr_lambda"]
        if parameters["reranker"]:
            ranking["rerank"] = {
                "model": parameters["reranker"],
                "candidates": parameters["rerank_candidates"],
            }
        return ranking

    def field_weights(self, parameters: Parameters) -> dict[str, float] | None:
        """What `set_field_weights` is to be called with."""
        if "keyword" not in self.legs:
            return None
        return {name: parameters[name] for name in FIELDS}

    def arguments(self, parameters: Parameters) -> dict[str, Any]:
        """The same as arguments of a search, which then leaves nothing to the collection."""
        arguments = self.ranking(parameters)
        rerank = arguments.pop("rerank", None)
        arguments["rerank"] = rerank["model"] if rerank else False
        if rerank:
            arguments["rerank_candidates"] = rerank["candidates"]
        if self.current["diverse"] and not parameters["diverse"]:
            arguments["mmr_lambda"] = 1.0  # without one, that of the collection
        weights = self.field_weights(parameters)
        return arguments if weights is None else arguments | {"field_weights": weights}

    def _weights(self, parameters: Parameters) -> dict[str, float]:
        """The weights of the legs, the largest of them 1."""
        shares = {leg: parameters[_share(leg)] for leg in self.legs[1:]}
        weights = {self.legs[0]: 1 - max(shares.values()), **shares}
        largest = max(weights.values())
        return {leg: round(weight / largest, 3) for leg, weight in weights.items()}


def shares(weights: Mapping[str, float], legs: Sequence[str]) -> dict[str, float]:
    """The parameters that stand for these weights of legs."""
    others = {leg: weights.get(leg, 1.0) for leg in legs[1:]}
    whole = weights.get(legs[0], 1.0) + max(others.values(), default=0.0)
    return {_share(leg): weight / whole if whole else 0.5 for leg, weight in others.items()}


def set_statements(
    collection: str, ranking: Mapping[str, Any], field_weights: Mapping[str, float] | None
) -> list[str]:
    """SQL that sets a ranking."""
    named = [f"{name} => {_literal(value)}" for name, value in ranking.items()]
    called = ", ".join([_literal(collection), *named])
    statements = [f"select retrieval.set_ranking({called});"]
    if field_weights is not None:
        called = f"{_literal(collection)}, {_literal(field_weights)}"
        statements.append(f"select retrieval.set_field_weights({called});")
    return statements


def _literal(value: Any) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return "'" + text.replace("'", "''") + "'"


def _share(leg: str) -> str:
    return f"{leg} share"


def _is_number(name: str) -> bool:
    return name in NUMBERS or name.endswith(" share")


def _range(name: str) -> tuple[float, float, bool]:
    return NUMBERS.get(name, SHARE)


def _suggest(trial: "Trial", chosen: dict[str, Any], *names: str) -> None:
    for name in names:
        low, high, logarithmic = _range(name)
        if name in WHOLE:
            chosen[name] = trial.suggest_int(name, int(low), int(high), log=logarithmic)
        else:
            chosen[name] = round(trial.suggest_float(name, low, high, log=logarithmic), 2)
