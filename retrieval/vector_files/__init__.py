"""Files of embeddings: Parquet and NumPy, read and written some rows at a time."""

from retrieval.vector_files.open import FORMATS, create_vector_file, open_vector_file
from retrieval.vector_files.vector_file import Columns, Origin, VectorFile, VectorFileWriter

__all__ = [
    "FORMATS",
    "Columns",
    "Origin",
    "VectorFile",
    "VectorFileWriter",
    "create_vector_file",
    "open_vector_file",
]
