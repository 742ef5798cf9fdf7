"""What is counted among the matches of a search."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Text, column, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval.orm.functions import call


def facets(
    collection: str,
    keys: Sequence[str] | ColumnElement[Any],
    query_text: str | None = None,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    max_values: int | None = None,
    chunk_ids: Sequence[int] | ColumnElement[Any] | None = None,
) -> TableValuedAlias:
    """How many of the matches have which value of a metadata key, as a selectable."""
    called = call("facets", **locals())
    return called.table_valued(
        column("key", Text),
        column("value", JSONB),
        column("documents", BigInteger),
        column("chunks", BigInteger),
        name="facets",
    )


def count_matches(
    collection: str,
    query_text: str,
    *,
    metadata_filter: Mapping[str, Any] | None = None,
    keyword_operator: str | None = None,
    exact: bool | None = None,
) -> ColumnElement[int]:
    """How many chunks keyword search considers, as an expression: `select(count_matches(...))`."""
    return type_coerce(call("count_matches", **locals()), BigInteger)
