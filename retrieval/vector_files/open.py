"""From a file's name to what reads or writes it."""

from pathlib import Path

from retrieval.embedding import Kind
from retrieval.errors import ConfigurationError, InvalidInput
from retrieval.vector_files.numpy_file import NpyFile, NpzFile
from retrieval.vector_files.numpy_writer import NpzWriter
from retrieval.vector_files.vector_file import Columns, Origin, VectorFile, VectorFileWriter

FORMATS = (".parquet", ".npz", ".npy")


def open_vector_file(path: Path, columns: Columns) -> VectorFile:
    """Open a file by its suffix; InvalidInput where it holds no embeddings."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidInput(f"{path} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file" if path.exists() else f"{path} does not exist")
    if suffix == ".npz":
        return NpzFile(path, columns)
    if suffix == ".npy":
        return NpyFile(path, columns)
    _check_arrow(path)
    from retrieval.vector_files.parquet_file import ParquetVectors

    return ParquetVectors(path, columns)


def create_vector_file(path: Path, kind: Kind, dimensions: int, origin: Origin) -> VectorFileWriter:
    """Begin a file by its suffix; it takes the place of one that is there when it is complete."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS[:2]:
        raise InvalidInput(f"{path} must end in {' or '.join(FORMATS[:2])}")
    if not path.parent.is_dir():
        raise InvalidInput(f"folder {path.parent} does not exist")
    if suffix == ".npz":
        if kind != "dense":
            raise InvalidInput(f"{path}: embeddings that are {kind} go into .parquet")
        return NpzWriter(path, origin)
    _check_arrow(path)
    from retrieval.vector_files.parquet_writer import ParquetVectorsWriter

    return ParquetVectorsWriter(path, kind, dimensions, origin)


def _check_arrow(path: Path) -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            f"{path} needs a package: pip install 'retrieval[parquet]'"
        ) from None
