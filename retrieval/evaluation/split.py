"""Splits judged queries into those to learn from and those to measure on."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements

# a part that is farther from what was asked for than this is not split by documents
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Split:
    """Two parts of judgements, no query in both.

    Where `disjoint`, no document is relevant in both either: a model that has learned a document by
    heart gains nothing on the held-out queries. Where many queries share their documents that
    cannot be, and the queries alone are split.
    """

    learned: Judgements
    held_out: Judgements
    disjoint: bool


def split_judgements(judgements: Judgements, *, held_out: float = 0.3, seed: int = 0) -> Split:
    """Hold out about this share of the queries; the same seed gives the same split."""
    if not 0 < held_out < 1:
        raise InvalidInput(f"the share that is held out must be between 0 and 1, not {held_out}")
    keys = list(judgements.queries)
    if len(keys) < 2:
        raise InvalidInput("there is one judged query only: none can be held out")
    groups = _groups(judgements, keys)
    chosen = _chosen_groups(keys, groups, held_out, seed)
    disjoint = chosen is not None
    if chosen is None:
        chosen = _chosen_queries(keys, held_out, seed)
    kept_back = {keys[row] for row in chosen}
    return Split(
        part(judgements, (key for key in keys if key not in kept_back)),
        part(judgements, (key for key in keys if key in kept_back)),
        disjoint,
    )


def _chosen_groups(
    keys: list[str], groups: NDArray[np.intp], held_out: float, seed: int
) -> NDArray[np.intp] | None:
    """The places of whole groups that are about as many queries as asked for; None without."""
    from sklearn.model_selection import GroupShuffleSplit

    size = _held_out(int(groups.max()) + 1, held_out)
    if size == 0:
        return None
    splitter = GroupShuffleSplit(n_splits=20, test_size=size, random_state=seed)
    for _, candidate in splitter.split(keys, groups=groups):
        if abs(len(candidate) / len(keys) - held_out) <= TOLERANCE:
            chosen: NDArray[np.intp] = candidate
            return chosen
    return None


def _chosen_queries(keys: list[str], held_out: float, seed: int) -> NDArray[np.intp]:
    from sklearn.model_selection import ShuffleSplit

    size = _held_out(len(keys), held_out)
    _, chosen = next(ShuffleSplit(n_splits=1, test_size=size, random_state=seed).split(keys))
    found: NDArray[np.intp] = chosen
    return found


def _held_out(count: int, share: float) -> int:
    """How many of them are held out: one at least, and one at least is not."""
    return min(max(1, round(count * share)), count - 1)


def part(judgements: Judgements, keys: Iterable[str]) -> Judgements:
    """The judgements of some queries."""
    chosen = list(keys)
    return Judgements(
        {key: judgements.queries[key] for key in chosen},
        {key: judgements.relevance.get(key, {}) for key in chosen},
    )


def _groups(judgements: Judgements, keys: list[str]) -> NDArray[np.intp]:
    """The number of each query's group: those that relevant documents join, however indirectly."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    documents: dict[str, int] = {}
    rows, columns = [], []
    for row, key in enumerate(keys):
        for document, grade in judgements.relevance.get(key, {}).items():
            if grade > 0:
                rows.append(row)
                columns.append(documents.setdefault(document, len(keys) + len(documents)))
    size = len(keys) + len(documents)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    _, groups = np.unique(labels[: len(keys)], return_inverse=True)
    return groups
