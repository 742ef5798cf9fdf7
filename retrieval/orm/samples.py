"""Samples of what a space holds, as selectables."""

from collections.abc import Mapping, Sequence
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import BigInteger, Boolean, Integer, Text, column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.selectable import TableValuedAlias

from retrieval.orm.functions import call


def sample_chunks(
    collection: str,
    *,
    space: str | None = None,
    sample: int | None = None,
    metadata_filter: Mapping[str, Any] | None = None,
    chunk_ids: Sequence[int] | None = None,
) -> TableValuedAlias:
    """Chunks with their embeddings, and whether they are of the sample, as a selectable."""
    return call("sample_chunks", **locals()).table_valued(
        column("chunk_id", BigInteger),
        column("document_id", BigInteger),
        column("document_key", Text),
        column("title", Text),
        column("position", Integer),
        column("content", Text),
        column("metadata", JSONB),
        column("embedding", HALFVEC),
        column("is_sampled", Boolean),
    )
