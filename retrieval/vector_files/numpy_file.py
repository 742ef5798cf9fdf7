"""Dense embeddings in NumPy's files: an archive of arrays, or one array beside a list of keys."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embedding import Kind
from retrieval.errors import InvalidInput
from retrieval.vector_files.array_stream import ArrayStream
from retrieval.vector_files.packing import Packing
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

SUFFIX = ".npy"
KEYS_SUFFIX = ".txt"
MAX_POSITION = 2**31 - 1
# as many numbers are read at once
SLICE_NUMBERS = 1_000_000

BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, ValueError),
    *(SyntaxError, NotImplementedError, RuntimeError),
)


class _Arrays:
    """What the two have in common: a matrix of embeddings, and arrays or lists beside it."""

    kind: Kind = "dense"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.origin = Origin()

    def _check_embedding(self, array: ArrayStream, name: str) -> None:
        if len(array.shape) != 2 or array.dtype.kind not in "fiu":
            raise InvalidInput(
                f"{self.path}: array {name} must be a matrix of numbers with a row for each "
                f"chunk, not {array.dtype} of shape {array.shape}"
            )
        self.count = array.shape[0]

    def _counts(self, dimensions: int) -> Iterator[tuple[int, int]]:
        """The first row, from 0, and the number of rows of each slice."""
        step = max(1, SLICE_NUMBERS // dimensions)
        for start in range(0, self.count, step):
            yield start, min(step, self.count - start)

    def _check_width(self, array: ArrayStream, packing: Packing) -> None:
        packing.check_dimensions(np.full(1, array.shape[1]), lambda _: str(self.path))

    def _pack(
        self, vectors: NDArray[Any], start: int, keys: Sequence[str], packing: Packing
    ) -> list[bytes]:
        return packing.dense(
            vectors, lambda row: f"{self.path}, {row_name(start + row + 1, keys[row])}"
        )


class NpzFile(_Arrays):
    """Arrays `document_key` and `embedding`, and maybe `position`, `text_hash` and `signature`."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path)
        self._files = ExitStack()
        with readable(path, *BROKEN):
            self._archive = self._files.enter_context(zipfile.ZipFile(path))
        try:
            with readable(path, *BROKEN):
                names = [name.removesuffix(SUFFIX) for name in self._archive.namelist()]
                self._columns = columns.found_in(
                    [name for name in names if name not in (SIGNATURE, SPACE)], path
                )
                signature, space = (self._text(name, names) for name in (SIGNATURE, SPACE))
                self.origin = Origin.read(signature, space, path)
                self._check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the archive and what is open in it."""
        self._files.close()

    def _open(self, name: str) -> ArrayStream:
        member = self._files.enter_context(self._archive.open(name + SUFFIX))
        return ArrayStream(member, self.path, name)

    def _text(self, name: str, names: Sequence[str]) -> str | None:
        return str(self._open(name).take(1)[0]) if name in names else None

    def _check(self) -> None:
        """Raise InvalidInput unless every array has its shape and type."""
        name = self._columns.embedding
        self._check_embedding(self._open(name), name)
        arrays = {
            self._columns.key: ("SUiu", (self.count,), "strings or whole numbers"),
            self._columns.chunk_position: ("iu", (self.count,), "whole numbers"),
            self._columns.text_hash: ("u", (self.count, HASH_BYTES), f"{HASH_BYTES} bytes"),
        }
        for other, (kinds, shape, what) in arrays.items():
            if other is None:
                continue
            array = self._open(other)
            if array.dtype.kind not in kinds or array.shape != shape:
                raise InvalidInput(
                    f"{self.path}: array {other} must hold {what} for each of the {self.count} "
                    f"rows, not {array.dtype} of shape {array.shape}"
                )

    def rows(self, packing: Packing) -> Iterator[list[Row]]:
        """The rows, some at a time."""
        with readable(self.path, *BROKEN):
            embeddings = self._open(self._columns.embedding)
            self._check_width(embeddings, packing)
            keys = self._open(self._columns.key)
            positions, hashes = (
                self._open(name) if name else None
                for name in (self._columns.chunk_position, self._columns.text_hash)
            )
            for start, count in self._counts(packing.dimensions):
                names = _strings(keys.take(count))
                yield list(
                    zip(
                        names,
                        self._positions(positions.take(count)) if positions else [None] * count,
                        [each.tobytes() for each in hashes.take(count)]
                        if hashes
                        else [None] * count,
                        self._pack(embeddings.take(count), start, names, packing),
                        strict=True,
                    )
                )

    def _positions(self, positions: NDArray[Any]) -> list[int]:
        found: list[int] = positions.tolist()
        if not all(0 <= position <= MAX_POSITION for position in found):
            raise InvalidInput(
                f"{self.path}: array {self._columns.chunk_position} holds what is no position"
            )
        return found


def _strings(keys: NDArray[Any]) -> list[str]:
    return [key.decode() if isinstance(key, bytes) else str(key) for key in keys.tolist()]


class NpyFile(_Arrays):
    """A matrix, and beside it a file of the same name with .txt: the key of each row on a line."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path)
        self._keys = path.with_suffix(KEYS_SUFFIX)
        if not self._keys.is_file():
            raise InvalidInput(f"{path}: the keys of its rows must be in {self._keys}, a line each")
        self._stream = path.open("rb")
        try:
            with readable(path, *BROKEN):
                self._array = ArrayStream(self._stream, path, path.name)
                self._check_embedding(self._array, path.name)
            with readable(self._keys, UnicodeDecodeError), self._lines() as lines:
                keys = sum(1 for _ in lines)
            if keys != self.count:
                raise InvalidInput(f"{path} has {self.count} rows, {self._keys} has {keys} lines")
        except BaseException:
            self.close()
            raise

    def _lines(self) -> IO[str]:
        return self._keys.open(encoding="utf-8-sig")

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def rows(self, packing: Packing) -> Iterator[list[Row]]:
        """The rows, some at a time."""
        with readable(self.path, *BROKEN), self._lines() as lines:
            self._check_width(self._array, packing)
            for start, count in self._counts(packing.dimensions):
                keys = [next(lines).rstrip("\n") for _ in range(count)]
                packed = self._pack(self._array.take(count), start, keys, packing)
                yield [(key, None, None, each) for key, each in zip(keys, packed, strict=True)]
