"""What candidates are ranked by a second time, as an expression."""

from collections.abc import Sequence
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Float, SQLColumnExpression, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from retrieval.orm.functions import call
from retrieval.orm.vector_array import VectorArray


def max_sim(
    query: Sequence[Any] | SQLColumnExpression[Any],
    document: Sequence[Any] | SQLColumnExpression[Any],
) -> ColumnElement[float]:
    """The late-interaction score of a document, such as `TokenEmbeddings.embeddings`."""
    called = call(
        "max_sim",
        query=type_coerce(query, VectorArray(HALFVEC)),
        document=type_coerce(document, VectorArray(HALFVEC)),
    )
    return type_coerce(called, Float)
