"""Arrays of vectors, which neither the driver nor SQLAlchemy's own array type can read."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC
from sqlalchemy.types import UserDefinedType

from retrieval.orm.half_vectors import HalfVectors


class VectorArray(UserDefinedType[Any]):
    """`halfvec[]` or `sparsevec[]`, as a literal without a type: it resolves wherever pgvector is.

    Sparse vectors have a brace in their text, so every element is quoted.
    """

    cache_ok = True

    def __init__(self, element: type[HALFVEC] | type[SPARSEVEC]) -> None:
        self.element = element

    def get_col_spec(self, **options: Any) -> str:
        """The type's name, for a column."""
        return f"{self.element().get_col_spec(**options)}[]"

    def bind_processor(self, dialect: Any) -> Any:
        """Write vectors as an array literal, unless they come in binary form."""
        element = self.element().bind_processor(dialect)

        def process(vectors: Sequence[Any] | HalfVectors) -> Any:
            if isinstance(vectors, HalfVectors):
                return vectors
            return "{" + ",".join(f'"{element(vector)}"' for vector in vectors) + "}"

        return process

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        """Read dense vectors: the driver knows neither their type nor that of their array."""

        def process(value: str | None) -> Any:
            if value is None:
                return None
            numbers = json.loads(f"[{value[1:-1]}]".replace('"', ""))
            return np.array(numbers, dtype=np.float32)

        return process
