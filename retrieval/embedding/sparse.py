"""Sparse vectors that an index of pgvector can hold."""

import numpy as np
from numpy.typing import NDArray
from pgvector import SparseVector

# What an HNSW index takes; a longer vector can be stored but not indexed.
MAX_NONZEROS = 1_000


def sparse_vector(
    indices: NDArray[np.integer],
    values: NDArray[np.floating],
    dimensions: int,
    max_nonzeros: int | None = MAX_NONZEROS,
) -> SparseVector:
    """Return a vector of the values that are farthest from zero, of equal ones the first."""
    kept = np.argsort(-np.abs(values), kind="stable")[:max_nonzeros]
    elements = zip(indices[kept].tolist(), values[kept].tolist(), strict=True)
    return SparseVector(dict(elements), dimensions)
