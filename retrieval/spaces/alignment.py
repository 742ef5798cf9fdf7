"""Carries embeddings of one model into the space of another, and measures what is lost on the way.

So that a query of a new model can search the old model's embeddings while the new ones are made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInput

Vectors = NDArray[np.float32]

FEWEST_PAIRS = 50
HELD_OUT_SHARE = 0.2
MOST_HELD_OUT = 1000  # all of them are compared with each other
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A map from one model's embeddings to another's, of shape (source, target dimensions).

    Of `held_out` pairs that it was not fitted to, `cosine` is the mean between aligned and true
    embeddings, and `overlap` the share of the ten nearest neighbours of a true embedding that are
    the same among the aligned and among the true ones (all, where fewer are held out).
    """

    matrix: Vectors
    held_out: int
    cosine: float
    overlap: float

    def apply(self, vectors: Vectors) -> Vectors:
        """Return embeddings of the target's dimensions and of length 1; one or rows of them."""
        return unit(np.asarray(vectors) @ self.matrix)


def fit_alignment(
    source: Vectors, target: Vectors, *, rng: np.random.Generator | None = None
) -> Alignment:
    """Fit a rotation between two models' embeddings of the same texts, row by row.

    A rotation (or reflection) keeps every cosine within the source as it is. A fifth of the rows,
    1,000 at most, is held out to measure the loss; `rng` draws them, always the same ones without
    it. The more rows than dimensions, the smaller the loss. InvalidInput below 50 rows.
    """
    source, target = checked("source", source), checked("target", target)
    if len(source) != len(target):
        raise InvalidInput(f"source has {len(source)} rows, target has {len(target)}")
    if len(source) < FEWEST_PAIRS:
        raise InvalidInput(f"an alignment needs {FEWEST_PAIRS} pairs or more, not {len(source)}")
    order = (rng or np.random.default_rng(0)).permutation(len(source))
    held_out, fitted = np.split(order, [min(int(len(order) * HELD_OUT_SHARE), MOST_HELD_OUT)])
    matrix = rotation(source[fitted], target[fitted])
    aligned, true = unit(source[held_out] @ matrix), target[held_out]
    return Alignment(
        matrix=matrix,
        held_out=len(held_out),
        cosine=float((aligned * true).sum(axis=1).mean()),
        overlap=_overlap(aligned, true),
    )


def rotation(source: Vectors, target: Vectors) -> Vectors:
    """The orthogonal Procrustes solution (Schönemann, 1966): nearest to the target by squares.

    Where dimensions differ, the smaller side is filled up with zeros and the surplus of the
    solution cut off. What remains has orthonormal rows (nothing is lost on the way up) or columns
    (on the way down, a projection), and is the best of that kind, because the zeros add nothing to
    the products that the solution maximises.
    """
    from scipy.linalg import orthogonal_procrustes  # takes a while to import

    dimensions = max(source.shape[1], target.shape[1])
    solution, _ = orthogonal_procrustes(_filled(source, dimensions), _filled(target, dimensions))
    return np.asarray(solution[: source.shape[1], : target.shape[1]], dtype=np.float32)


def unit(vectors: Vectors) -> Vectors:
    """Scale each vector to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def checked(name: str, vectors: Vectors) -> Vectors:
    """Rows of length 1, or InvalidInput where they are no embeddings."""
    given = np.asarray(vectors, dtype=np.float32)
    if given.ndim != 2 or not given.size:
        raise InvalidInput(
            f"{name} must be rows of embeddings, not an array of shape {given.shape}"
        )
    unusable = ~np.isfinite(given).all(axis=1) | ~given.any(axis=1)
    if unusable.any():
        row = int(np.flatnonzero(unusable)[0])
        raise InvalidInput(f"{name}: row {row} is all zeros or not finite")
    return unit(given)


def _filled(vectors: Vectors, dimensions: int) -> NDArray[np.float64]:
    return np.pad(vectors.astype(np.float64), ((0, 0), (0, dimensions - vectors.shape[1])))


def _overlap(aligned: Vectors, true: Vectors) -> float:
    count = min(NEIGHBOURS, len(true) - 1)
    found, expected = (_nearest(true, among, count) for among in (aligned, true))
    common = [np.intersect1d(*rows).size for rows in zip(found, expected, strict=True)]
    return float(np.mean(common)) / count


def _nearest(queries: Vectors, among: Vectors, count: int) -> NDArray[np.intp]:
    """Row numbers of the nearest others; row n of `among` is the text of query n itself."""
    cosines = queries @ among.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argpartition(-cosines, count - 1, axis=1)[:, :count]
