"""Embeddings in the binary form in which the server sends and takes them."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector import SparseVector

from retrieval.embedding.embedder import Floats
from retrieval.errors import InvalidInput

# names the n-th of the rows that are being packed
RowName = Callable[[int], str]

HALF_BYTES = 2
MAX_HALF = 65504


@dataclass(frozen=True, slots=True)
class Packing:
    """What a space takes; `element_type` is the server's number of the type halfvec."""

    space: str
    dimensions: int
    element_type: int = 0

    def check_dimensions(self, found: NDArray[Any], name: RowName) -> None:
        """Raise InvalidInput for the first embedding of another length."""
        for row in np.flatnonzero(found != self.dimensions)[:1].tolist():
            raise InvalidInput(
                f"{name(row)}: the embedding has {found[row]} dimensions, "
                f"space {self.space} has {self.dimensions}"
            )

    def dense(self, vectors: NDArray[Any], name: RowName) -> list[bytes]:
        """Pack the rows of a matrix as halfvec."""
        halves = _halves(vectors, name)
        header, data = struct.pack(">HH", self.dimensions, 0), halves.tobytes()
        size = HALF_BYTES * self.dimensions
        return [header + data[start : start + size] for start in range(0, len(data), size)]

    def tokens(self, documents: Sequence[NDArray[Any]], name: RowName) -> list[bytes]:
        """Pack matrices, one of tokens for each row, as halfvec[]."""
        return [self._tokens(each, row, name) for row, each in enumerate(documents)]

    def _tokens(self, vectors: NDArray[Any], row: int, name: RowName) -> bytes:
        if not len(vectors):
            raise InvalidInput(f"{name(row)}: the embedding has no vectors")
        self.check_dimensions(np.full(1, vectors.shape[1]), lambda _: name(row))
        layout = [("size", ">i4"), ("dimensions", ">u2"), ("unused", ">u2")]
        packed = np.zeros(len(vectors), dtype=[*layout, ("halves", ">f2", (self.dimensions,))])
        packed["size"] = 4 + HALF_BYTES * self.dimensions
        packed["dimensions"] = self.dimensions
        packed["halves"] = _halves(vectors, lambda _: name(row))
        # one dimension, no nulls, the type, and that dimension's length and lower bound
        return struct.pack(">iiIii", 1, 0, self.element_type, len(vectors), 1) + packed.tobytes()

    def sparse(self, elements: Sequence[tuple[Any, Any]], name: RowName) -> list[bytes]:
        """Pack indices, from 0, with their values as sparsevec."""
        return [
            self._sparse(np.asarray(indices), np.asarray(values, dtype=np.float32), row, name)
            for row, (indices, values) in enumerate(elements)
        ]

    def _sparse(self, indices: NDArray[Any], values: Floats, row: int, name: RowName) -> bytes:
        if len(indices) != len(values):
            wrong = f"has {len(indices)} indices and {len(values)} values"
        elif len(np.unique(indices)) < len(indices):
            wrong = "has an index twice"
        elif len(indices) and not 0 <= indices.min() <= indices.max() < self.dimensions:
            wrong = f"has an index outside of the {self.dimensions} dimensions of {self.space}"
        elif not np.isfinite(values).all():
            wrong = "holds a value that is no number"
        else:
            vector = SparseVector(
                dict(zip(indices.tolist(), values.tolist(), strict=True)), self.dimensions
            )
            return bytes(vector.to_binary())
        raise InvalidInput(f"{name(row)}: the embedding {wrong}")


def _halves(vectors: NDArray[Any], name: RowName) -> NDArray[np.float16]:
    """As half precision in network byte order; InvalidInput names what is too large for it."""
    with np.errstate(over="ignore", invalid="ignore"):
        halves = vectors.astype(">f2")
    for row in np.flatnonzero(~np.isfinite(halves).all(axis=1))[:1].tolist():
        wrong = "NaN or null" if np.isnan(halves[row]).any() else f"a number beyond {MAX_HALF}"
        raise InvalidInput(f"{name(row)}: the embedding holds {wrong}")
    return halves


def unpacked_dense(packed: Sequence[bytes]) -> NDArray[np.float16]:
    """The vectors of halfvecs of equal length, as a matrix of native halves."""
    halves = np.frombuffer(b"".join(packed), dtype=">f2").reshape(len(packed), -1)
    # before the numbers of each: their count and padding, two bytes each
    return halves[:, 2:].astype(np.float16)


def unpacked_sparse(packed: bytes) -> tuple[NDArray[np.int32], Floats]:
    """Indices, from 0, and values of a sparsevec."""
    vector = SparseVector.from_binary(packed)
    return np.array(vector.indices(), np.int32), np.array(vector.values(), np.float32)
