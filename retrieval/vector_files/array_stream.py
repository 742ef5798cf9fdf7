"""An array in NumPy's format that is read without being in memory as a whole."""

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from retrieval.errors import InvalidInput

# a key has at most 2,000 bytes; what a signature says is longer
LARGEST_ITEM = 1_000_000


class ArrayStream:
    """An array that is read from its beginning to its end, some rows at a time."""

    def __init__(self, stream: IO[bytes], path: Path, name: str) -> None:
        self._stream, self._where = stream, f"{path}: array {name}"
        version = npy.read_magic(stream)
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in read_header:
            raise InvalidInput(f"{self._where} is of a version of the format that is not read")
        self.shape, by_columns, self.dtype = read_header[version](stream)
        if self.dtype.hasobject:
            raise InvalidInput(
                f"{self._where} holds Python objects, which are not read: store strings or numbers"
            )
        if by_columns and len(self.shape) > 1:
            raise InvalidInput(f"{self._where} is stored by columns: use numpy.ascontiguousarray")
        if self.dtype.itemsize > LARGEST_ITEM:
            raise InvalidInput(f"{self._where} holds strings of more than {LARGEST_ITEM} bytes")

    @property
    def row_size(self) -> int:
        """How many numbers or strings a row has."""
        return int(np.prod(self.shape[1:]))

    def take(self, count: int) -> NDArray[Any]:
        """The next rows."""
        size = count * self.row_size * self.dtype.itemsize
        data = self._stream.read(size)
        if len(data) < size:
            raise InvalidInput(f"{self._where} ends early")
        return np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])
