"""Fusion as numpy does it."""

from collections import defaultdict

import numpy as np

Candidate = tuple[str, int, float]
Contribution = tuple[int, float, float]  # rank, score, what is added


def shares(fusion: str, scores: np.ndarray, rrf_k: int) -> np.ndarray:
    """What the candidates of a leg add, best first."""
    if fusion == "rrf":
        return 1 / (rrf_k + np.arange(1, len(scores) + 1))
    if scores.max() == scores.min():
        return np.full(len(scores), 1.0 if fusion == "relative" else 0.5)
    if fusion == "relative":
        return (scores - scores.min()) / np.ptp(scores)
    low, high = (scores.mean() + sign * 3 * scores.std() for sign in (-1, 1))
    return np.clip((scores - low) / (high - low), 0, 1)


def fused(
    candidates: list[Candidate], fusion: str, weights: dict[str, float], rrf_k: int
) -> dict[int, dict[str, Contribution]]:
    """What each leg that found an id adds for it."""
    legs: dict[str, dict[int, float]] = defaultdict(dict)
    for leg, id_, score in candidates:
        legs[leg][id_] = max(score, legs[leg].get(id_, score))
    found: dict[int, dict[str, Contribution]] = defaultdict(dict)
    for leg, hits in legs.items():
        order = sorted(hits, key=lambda id_: (-hits[id_], id_))
        added = shares(fusion, np.array([hits[id_] for id_ in order]), rrf_k)
        for rank, (id_, share) in enumerate(zip(order, added.tolist(), strict=True), start=1):
            found[id_][leg] = (rank, hits[id_], weights.get(leg, 1) * share)
    return found


def total(contributions: dict[str, Contribution]) -> float:
    """The fused score."""
    return sum(sorted(added for _, _, added in contributions.values()))
