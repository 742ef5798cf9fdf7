"""Embeddings of every kind in Parquet: a list of numbers, of vectors, or indices with values."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from retrieval.embedding import Kind
from retrieval.errors import InvalidInput
from retrieval.vector_files.packing import Packing, RowName
from retrieval.vector_files.vector_file import (
    HASH_BYTES,
    SIGNATURE,
    SPACE,
    Columns,
    Origin,
    Row,
    readable,
    row_name,
)

BATCH_ROWS: dict[Kind, int] = {"dense": 2_000, "sparse": 2_000, "multivector": 200}
BUFFER_BYTES = 1 << 20

INDICES, VALUES = "indices", "values"


class ParquetVectors:
    """A row for each chunk; the signature of its space is in the schema's metadata."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        with readable(path, pa.ArrowException):
            # neither a whole file nor a whole column of a row group is in memory at once
            self._file = parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        try:
            with readable(path, pa.ArrowException):
                schema = self._file.schema_arrow
                self.count: int = self._file.metadata.num_rows
                self._columns = columns.found_in(schema.names, path)
                self.kind: Kind = self._kind_of(schema.field(self._columns.embedding).type)
                metadata = schema.metadata or {}
                signature, space = (_text(metadata, name) for name in (SIGNATURE, SPACE))
                self.origin = Origin.read(signature, space, path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _kind_of(self, found: pa.DataType) -> Kind:
        names = {found.field(n).name for n in range(found.num_fields)}
        if pa.types.is_struct(found) and {INDICES, VALUES} <= names:
            return "sparse"
        if _is_list(found) and _is_number(found.value_type):
            return "dense"
        nested = _is_list(found) and _is_list(found.value_type)
        if nested and _is_number(found.value_type.value_type):
            return "multivector"
        raise InvalidInput(
            f"{self.path}: column {self._columns.embedding} is of type {found}; an embedding is a "
            f"list of numbers, a list of such lists, or a struct of {INDICES} and {VALUES}"
        )

    def rows(self, packing: Packing) -> Iterator[list[Row]]:
        """The rows, some at a time."""
        wanted = self._columns
        names = [wanted.key, wanted.embedding, wanted.chunk_position, wanted.text_hash]
        with readable(self.path, pa.ArrowException):
            batches = self._file.iter_batches(
                BATCH_ROWS[self.kind], columns=[name for name in names if name], use_threads=False
            )
            start = 1
            for batch in batches:
                yield self._rows(batch, start, packing)
                start += batch.num_rows

    def _rows(self, batch: pa.RecordBatch, start: int, packing: Packing) -> list[Row]:
        keys = self._keys(batch.column(self._columns.key))
        column = batch.column(self._columns.embedding)
        there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist()

        def name(row: int) -> str:
            return f"{self.path}, {row_name(start + there[row], keys[there[row]])}"

        embeddings: list[bytes | None] = [None] * len(keys)
        packed = _PACK[self.kind](column.drop_null(), packing, name)
        for row, each in zip(there, packed, strict=True):
            embeddings[row] = each
        return list(
            zip(
                keys,
                self._optional(batch, self._columns.chunk_position, pa.int32()),
                self._hashes(batch),
                embeddings,
                strict=True,
            )
        )

    def _keys(self, column: pa.Array) -> list[str | None]:
        """Keys as text: that of a number, of a uuid, or of what a dictionary says."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if isinstance(column, pa.ExtensionArray):
            return [None if key is None else str(key) for key in column.to_pylist()]
        if not (_is_string(column.type) or pa.types.is_integer(column.type)):
            raise InvalidInput(
                f"{self.path}: column {self._columns.key} is of type {column.type}, "
                "not of strings, whole numbers or UUIDs"
            )
        keys: list[str | None] = column.cast(pa.large_string()).to_pylist()
        return keys

    def _optional(
        self, batch: pa.RecordBatch, name: str | None, wanted: pa.DataType
    ) -> Sequence[Any]:
        if name is None:
            return [None] * batch.num_rows
        try:
            values: list[Any] = batch.column(name).cast(wanted).to_pylist()
        except pa.ArrowException as error:
            reason = " ".join(str(error).split())
            raise InvalidInput(
                f"{self.path}: column {name} is not of {wanted} ({reason})"
            ) from error
        return values

    def _hashes(self, batch: pa.RecordBatch) -> Sequence[bytes | None]:
        hashes = self._optional(batch, self._columns.text_hash, pa.binary())
        if any(each is not None and len(each) != HASH_BYTES for each in hashes):
            raise InvalidInput(
                f"{self.path}: column {self._columns.text_hash} has not {HASH_BYTES} bytes a row"
            )
        return hashes


def _text(metadata: dict[bytes, bytes], name: str) -> str | None:
    found = metadata.get(name.encode())
    return None if found is None else found.decode("utf-8", "replace")


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_string(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _matrix(column: pa.Array, packing: Packing, name: RowName) -> NDArray[Any]:
    """The vectors of a column of lists without nulls."""
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    packing.check_dimensions(lengths, name)
    numbers = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(numbers).reshape(-1, packing.dimensions)


def _dense(column: pa.Array, packing: Packing, name: RowName) -> list[bytes]:
    return packing.dense(_matrix(column, packing, name), name)


def _tokens(column: pa.Array, packing: Packing, name: RowName) -> list[bytes]:
    counts = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(len(counts)), counts)
    vectors = column.flatten()
    if vectors.null_count:
        first = int(np.flatnonzero(vectors.is_null().to_numpy(zero_copy_only=False))[0])
        raise InvalidInput(f"{name(owners[first])}: the embedding holds a vector that is null")
    matrix = _matrix(vectors, packing, lambda token: name(owners[token]))
    return packing.tokens(np.split(matrix, np.cumsum(counts)[:-1]) if len(counts) else [], name)


def _sparse(column: pa.Array, packing: Packing, name: RowName) -> list[bytes]:
    elements = [(each[INDICES] or [], each[VALUES] or []) for each in column.to_pylist()]
    return packing.sparse(elements, name)


_PACK: dict[Kind, Callable[[pa.Array, Packing, RowName], list[bytes]]] = {
    "dense": _dense,
    "sparse": _sparse,
    "multivector": _tokens,
}
