"""Writes dense embeddings as an archive of NumPy's arrays."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from numpy.lib import format as npy

from retrieval.vector_files.numpy_file import SUFFIX
from retrieval.vector_files.packing import unpacked_dense
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


class NpzWriter:
    """Writes the arrays that `NpzFile` reads; embeddings are float16, as they are stored."""

    def __init__(self, path: Path, origin: Origin) -> None:
        self._path, self._origin = path, origin
        self._embeddings = TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._keys: list[str] = []
        self._positions: list[int] = []
        self._hashes = bytearray()
        self._dimensions = 0

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        if not rows:
            return
        keys, positions, hashes, packed = zip(*rows, strict=True)
        vectors = unpacked_dense(packed)
        self._dimensions = vectors.shape[1]
        self._embeddings.write(vectors.tobytes())
        self._keys += keys
        self._positions += positions
        for each in hashes:
            self._hashes += each

    def finish(self) -> None:
        """Put the archive together."""
        arrays = {
            KEY: np.array(self._keys, dtype=str),
            POSITION: np.array(self._positions, dtype=np.int32),
            TEXT_HASH: np.frombuffer(self._hashes, np.uint8).reshape(-1, HASH_BYTES),
            **{name: np.array(each) for name, each in self._origin.written().items()},
        }
        partial = partial_path(self._path)
        try:
            with zipfile.ZipFile(partial, "w", allowZip64=True) as archive:
                for name, array in arrays.items():
                    with archive.open(name + SUFFIX, "w", force_zip64=True) as member:
                        npy.write_array(member, array, allow_pickle=False)
                with archive.open(EMBEDDING + SUFFIX, "w", force_zip64=True) as member:
                    self._write_embeddings(member)
            partial.replace(self._path)
        finally:
            self.discard()

    def _write_embeddings(self, member: IO[bytes]) -> None:
        header = {
            "descr": npy.dtype_to_descr(np.dtype(np.float16)),
            "fortran_order": False,
            "shape": (len(self._keys), self._dimensions),
        }
        npy.write_array_header_1_0(member, header)
        self._embeddings.seek(0)
        shutil.copyfileobj(self._embeddings, member, 1 << 20)

    def discard(self) -> None:
        """Remove what is not finished."""
        self._embeddings.close()
        partial_path(self._path).unlink(missing_ok=True)
