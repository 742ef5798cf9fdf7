"""Learns from judged queries where a model puts queries beside what answers them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInput
from retrieval.spaces.alignment import Vectors, checked, rotation, unit

# From chunk, a row of the candidates, to grade; what is not named is not relevant.
Judgements = Sequence[Mapping[int, float]]
Scores = NDArray[np.float64]

FEWEST_QUERIES = 30
FOLDS = 5
STRENGTHS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
DEPTH = 10
RESAMPLES = 10_000
CONFIDENCE = 0.95
BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class QueryAdapter:
    """An affine map of query embeddings; chunks stay as they are.

    `ndcg` is the mean nDCG@10 of held-out queries without it, `gain` what it adds to that, and
    `least_gain` the lower bound of the gain's 95 % confidence interval.
    """

    matrix: Vectors
    offset: Vectors
    strength: float
    ndcg: float
    gain: float
    least_gain: float

    def apply(self, vectors: Vectors) -> Vectors:
        """Return adapted query embeddings of length 1; one or rows of them."""
        return unit(np.asarray(vectors) @ self.matrix + self.offset)


@dataclass(frozen=True, slots=True)
class _Task:
    """Queries and what they should find."""

    queries: Vectors
    chunks: Vectors
    judgements: Judgements
    targets: Vectors


def fit_query_adapter(
    queries: Vectors,
    chunks: Vectors,
    judgements: Judgements,
    *,
    rng: np.random.Generator | None = None,
) -> QueryAdapter | None:
    """Fit a map of queries towards their relevant chunks, or return None where it wins nothing.

    `judgements` holds for each query the grades of its relevant rows of `chunks`, which are all
    that can be found. The gain is measured on queries that neither the map nor its strength was
    chosen by; the adapter is returned where the bootstrap's lower bound is above zero. `rng` draws
    folds and resamples, always the same ones without it. InvalidInput below 30 queries.
    """
    task = _checked_task(queries, chunks, judgements)
    rng = rng or np.random.default_rng(0)
    before, after = _ndcg(task, task.queries), np.empty(len(task.queries))
    for fitted, held_out in _folds(np.arange(len(task.queries)), rng):
        strength = _best_strength(task, fitted, rng)
        matrix, offset = _map(task, fitted, strength)
        adapted = unit(task.queries[held_out] @ matrix + offset)
        after[held_out] = _ndcg(task, adapted, held_out)
    least_gain = _lower_bound(after - before, rng)
    if least_gain <= 0:
        return None
    everything = np.arange(len(task.queries))
    strength = _best_strength(task, everything, rng)
    if strength == 0:
        return None
    matrix, offset = _map(task, everything, strength)
    gain = float((after - before).mean())
    return QueryAdapter(matrix, offset, strength, float(before.mean()), gain, least_gain)


def _map(task: _Task, rows: NDArray[np.intp], strength: float) -> tuple[Vectors, Vectors]:
    """Blend the identity with the map that carries mean on mean and rotates about it.

    Queries are fewer than dimensions, and of a direction that none of them has a rotation would
    make anything. As many unit vectors as there are dimensions, weighing together as much as the
    queries, are therefore to stay where they are.
    """
    queries, targets = task.queries[rows], task.targets[rows]
    dimensions = queries.shape[1]
    anchors = np.sqrt(len(rows) / dimensions) * np.eye(dimensions, dtype=np.float32)
    about, to = queries.mean(axis=0), targets.mean(axis=0)
    turn = rotation(
        np.concatenate([queries - about, anchors]), np.concatenate([targets - to, anchors])
    )
    matrix = (1 - strength) * np.eye(dimensions) + strength * turn
    return matrix.astype(np.float32), (strength * (to - about @ turn)).astype(np.float32)


def _best_strength(task: _Task, rows: NDArray[np.intp], rng: np.random.Generator) -> float:
    """The strength with the best nDCG in cross-validation, the weakest of equals."""
    scores = np.zeros(len(STRENGTHS))
    for fitted, held_out in _folds(rows, rng):
        matrix, offset = _map(task, fitted, 1.0)
        here = task.queries[held_out]
        there = here @ matrix + offset
        for number, strength in enumerate(STRENGTHS):
            adapted = unit((1 - strength) * here + strength * there)
            scores[number] += _ndcg(task, adapted, held_out).sum()
    return STRENGTHS[int(scores.argmax())]


def _folds(
    rows: NDArray[np.intp], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows to fit to and those held out."""
    parts = np.array_split(rng.permutation(rows), FOLDS)
    for number, held_out in enumerate(parts):
        yield np.concatenate([*parts[:number], *parts[number + 1 :]]), held_out


def _ndcg(task: _Task, queries: Vectors, rows: NDArray[np.intp] | None = None) -> Scores:
    """nDCG@10 of each query with the grade as its gain (Järvelin and Kekäläinen, 2002)."""
    rows = np.arange(len(queries)) if rows is None else rows
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    scores = np.empty(len(rows))
    for place, (row, ranking) in enumerate(zip(rows, _rankings(queries, task.chunks), strict=True)):
        grades = task.judgements[row]
        gains = [grades.get(int(chunk), 0) for chunk in ranking]
        ideal = sorted(grades.values(), reverse=True)[:DEPTH]
        scores[place] = gains @ discounts[: len(gains)] / (ideal @ discounts[: len(ideal)])
    return scores


def _rankings(queries: Vectors, chunks: Vectors) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(queries), BLOCK):
        cosines = queries[start : start + BLOCK] @ chunks.T
        nearest = np.argpartition(-cosines, min(DEPTH, len(chunks)) - 1, axis=1)[:, :DEPTH]
        order = np.argsort(-np.take_along_axis(cosines, nearest, axis=1), axis=1, kind="stable")
        yield from np.take_along_axis(nearest, order, axis=1)


def _lower_bound(differences: Scores, rng: np.random.Generator) -> float:
    """Of the mean, by the paired bootstrap: queries are drawn anew, each with both its scores."""
    means = [rng.choice(differences, len(differences)).mean() for _ in range(RESAMPLES)]
    return float(np.quantile(means, (1 - CONFIDENCE) / 2))


def _checked_task(queries: Vectors, chunks: Vectors, judgements: Judgements) -> _Task:
    queries, chunks = checked("queries", queries), checked("chunks", chunks)
    if queries.shape[1] != chunks.shape[1]:
        raise InvalidInput(
            f"queries have {queries.shape[1]} dimensions, chunks have {chunks.shape[1]}"
        )
    if len(queries) != len(judgements):
        raise InvalidInput(f"{len(queries)} queries, but judgements of {len(judgements)}")
    if len(queries) < FEWEST_QUERIES:
        raise InvalidInput(
            f"a query adapter needs {FEWEST_QUERIES} judged queries or more, not {len(queries)}"
        )
    targets = [_target(number, grades, chunks) for number, grades in enumerate(judgements)]
    return _Task(queries, chunks, judgements, unit(np.array(targets)))


def _target(number: int, grades: Mapping[int, float], chunks: Vectors) -> Vectors:
    """The mean of a query's relevant chunks, weighted by grade."""
    rows = list(grades)
    if not all(0 <= row < len(chunks) for row in rows):
        raise InvalidInput(f"judgements: query {number} names a chunk that is not there")
    if not all(grade >= 0 for grade in grades.values()) or not any(grades.values()):
        raise InvalidInput(f"judgements: query {number} has no relevant chunk or a negative grade")
    weights = np.array([grades[row] for row in rows], dtype=np.float32)
    return np.asarray(weights @ chunks[rows], dtype=np.float32)
