"""Writes embeddings of every kind as Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from retrieval.embedding import Kind
from retrieval.reranking.late_interaction import unpacked_tokens
from retrieval.vector_files.packing import unpacked_dense, unpacked_sparse
from retrieval.vector_files.parquet_file import BATCH_ROWS, INDICES, VALUES
from retrieval.vector_files.vector_file import (
    EMBEDDING,
    HASH_BYTES,
    KEY,
    POSITION,
    TEXT_HASH,
    Origin,
    Row,
    partial_path,
)

# row groups of 8 MB of dense vectors
GROUP_NUMBERS = 2_000_000


class ParquetVectorsWriter:
    """Writes what `ParquetVectors` reads; numbers are float32, which every reader knows."""

    def __init__(self, path: Path, kind: Kind, dimensions: int, origin: Origin) -> None:
        self._path, self._kind = path, kind
        vector = pa.list_(pa.float32(), dimensions if kind != "sparse" else -1)
        self._type = {
            "dense": vector,
            "multivector": pa.list_(vector),
            "sparse": pa.struct({INDICES: pa.list_(pa.int32()), VALUES: vector}),
        }[kind]
        columns = {
            KEY: pa.string(),
            POSITION: pa.int32(),
            TEXT_HASH: pa.binary(HASH_BYTES),
            EMBEDDING: self._type,
        }
        self._schema = pa.schema(list(columns.items()), metadata=origin.written())
        self._group_rows = GROUP_NUMBERS // dimensions if kind == "dense" else BATCH_ROWS[kind]
        self._waiting: list[Row] = []
        self._writer = parquet.ParquetWriter(partial_path(path), self._schema, compression="zstd")

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows; as many as make a group go into the file."""
        self._waiting += rows
        while len(self._waiting) >= self._group_rows:
            self._write_group(self._waiting[: self._group_rows])
            del self._waiting[: self._group_rows]

    def _write_group(self, rows: Sequence[Row]) -> None:
        keys, positions, hashes, packed = zip(*rows, strict=True)
        embeddings = self._embeddings(packed)
        columns = [pa.array(keys, pa.string()), pa.array(positions, pa.int32())]
        columns += [pa.array(hashes, pa.binary(HASH_BYTES)), embeddings]
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def _embeddings(self, packed: Sequence[bytes]) -> pa.Array:
        if self._kind == "dense":
            return _lists(unpacked_dense(packed), self._type)
        if self._kind == "sparse":
            parts = [unpacked_sparse(each) for each in packed]
            return pa.array([{INDICES: i, VALUES: v} for i, v in parts], self._type)
        # an array's binary form: its length is the fourth of the numbers that it begins with
        lengths = [int.from_bytes(each[12:16]) for each in packed]
        tokens = [unpacked_tokens(*each) for each in zip(packed, lengths, strict=True)]
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        vectors = _lists(np.concatenate(tokens), self._type.value_type)
        return pa.ListArray.from_arrays(offsets, vectors, type=self._type)

    def finish(self) -> None:
        """Write what is left, and put the file into its place."""
        if self._waiting:
            self._write_group(self._waiting)
        self._writer.close()
        partial_path(self._path).replace(self._path)

    def discard(self) -> None:
        """Remove what is not finished."""
        self._writer.close()
        partial_path(self._path).unlink(missing_ok=True)


def _lists(vectors: NDArray[Any], kind: pa.DataType) -> pa.Array:
    numbers = pa.array(vectors.astype(np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(numbers, type=kind)
