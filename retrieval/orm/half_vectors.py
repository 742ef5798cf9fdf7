"""Many dense vectors as one binary parameter of the type `halfvec[]`.

As text, an array of vectors costs more than everything else about storing them. Its binary form
names the element's type by number, which is another one in every database.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import Connection, text

_REGISTERED = "retrieval.half_vectors"
_HALFVEC = text(
    "select atttypid from pg_catalog.pg_attribute"
    " where attrelid = 'retrieval.embeddings'::regclass and attname = 'embedding'"
)


class HalfVectors:
    """Vectors of one length, float16 of shape (vectors, dimensions)."""

    def __init__(self, vectors: ArrayLike) -> None:
        with np.errstate(over="ignore"):  # the database names the vector that is out of range
            self.vectors: NDArray[np.float16] = np.asarray(vectors, dtype=np.float16)

    def __len__(self) -> int:
        return len(self.vectors)


def half_vectors(connection: Connection, vectors: ArrayLike) -> HalfVectors:
    """The vectors in the form that is bound in binary, which the connection learns to do."""
    if _REGISTERED not in connection.info:
        dumper = _dumper(connection.execute(_HALFVEC).scalar_one())
        driver: Any = connection.connection.driver_connection
        driver.adapters.register_dumper(HalfVectors, dumper)
        connection.info[_REGISTERED] = True
    return HalfVectors(vectors)


def _dumper(element_oid: int) -> type[Dumper]:
    class HalfVectorsDumper(Dumper):
        format = Format.BINARY

        def dump(self, obj: HalfVectors) -> bytes:
            return _array(element_oid, obj.vectors)

    return HalfVectorsDumper


def _array(element_oid: int, vectors: NDArray[np.float16]) -> bytes:
    """What array_recv reads: a header, then each element after the number of its bytes.

    An element is what halfvec_recv reads: its dimensions, an unused zero, then the numbers.
    """
    if not len(vectors):
        return np.array([0, 0, element_oid], ">i4").tobytes()
    count, dimensions = vectors.shape
    element = np.dtype([("size", ">i4"), ("dimensions", ">i2"), ("unused", ">i2")])
    rows = np.zeros(count, np.dtype([("head", element), ("numbers", ">f2", (dimensions,))]))
    rows["head"]["size"] = 4 + 2 * dimensions
    rows["head"]["dimensions"] = dimensions
    rows["numbers"] = vectors
    # one dimension, no nulls, so many elements, the first of which has the subscript 1
    return np.array([1, 0, element_oid, count, 1], ">i4").tobytes() + rows.tobytes()
