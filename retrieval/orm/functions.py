"""Calls of the SQL functions, with named arguments of the right types."""

import json
from typing import Any

from pgvector.sqlalchemy import HALFVEC, SPARSEVEC
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    func,
    literal,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal

from retrieval.errors import InvalidInput
from retrieval.orm.vector_array import VectorArray

# one name means one type in every function, but for those below
_TYPES: dict[str, Any] = {
    "after": Integer(),
    "aggregation": Text(),
    "alignment": JSONB(),
    "api_key_id": Text(),
    "b": Float(),
    "back_fill": Boolean(),
    "before": Integer(),
    "boosts": JSONB(),
    "candidates": Integer(),
    "chunk_id": BigInteger(),
    "chunk_ids": ARRAY(BigInteger),
    "chunk_position": Text(),
    "chunking": JSONB(),
    "chunks": BigInteger(),
    "collection": Text(),
    "collections": ARRAY(Text),
    "content": Text(),
    "context": JSONB(),
    "contexts": ARRAY(Text),
    "delete_documents": Boolean(),
    "description": Text(),
    "details": JSONB(),
    "digests": ARRAY(LargeBinary),
    "dimensions": Integer(),
    "document_content": Text(),
    "document_key": Text(),
    "document_keys": ARRAY(Text),
    "documents": JSONB(),
    "duplicate_similarity": Float(),
    "embedding": Text(),
    "error": Text(),
    "escape_html": Boolean(),
    "evaluation_id": BigInteger(),
    "evaluation_ids": ARRAY(BigInteger),
    "exact": Boolean(),
    "example_chunk": BigInteger(),
    "example_document": Text(),
    "exclude_documents": Boolean(),
    "expires_at": DateTime(timezone=True),
    "field_weights": JSONB(),
    "force": Boolean(),
    "fragment_length": Integer(),
    "fusion": Text(),
    "golden_set": Text(),
    "golden_set_version": Integer(),
    "if_not_exists": Boolean(),
    "index_method": Text(),
    "index_options": JSONB(),
    "job_id": BigInteger(),
    "job_ids": ARRAY(BigInteger),
    "judge": Text(),
    "judgements": JSONB(),
    "k1": Float(),
    "key": Text(),
    "key_hash": Text(),
    "keys": ARRAY(Text),
    "keyword_operator": Text(),
    "kind": Text(),
    "late_interaction": Text(),
    "lease": Interval(),
    "leg_candidates": JSONB(),
    "leg_signatures": JSONB(),
    "legs": ARRAY(Text),
    "max_fragments": Integer(),
    "max_results": Integer(),
    "max_values": Integer(),
    "maximum_bytes": BigInteger(),
    "maximum_chunk_length": Integer(),
    "maximum_chunks": Integer(),
    "maximum_length": Integer(),
    "maximum_rows": Integer(),
    "measures": JSONB(),
    "metadata": JSONB(),
    "metadata_filter": JSONB(),
    "metric": Text(),
    "minimum_clicks": Integer(),
    "mmr_lambda": Float(),
    "modality": Text(),
    "model": Text(),
    "name": Text(),
    "negative": ARRAY(BigInteger),
    "negative_keys": ARRAY(Text),
    "origin": Text(),
    "older_than": Interval(),
    "oversamplings": ARRAY(Integer),
    "per_document": Integer(),
    "positive": ARRAY(BigInteger),
    "positive_keys": ARRAY(Text),
    "quantization": Text(),
    "queries": JSONB(),
    "query_chunk_ids": ARRAY(BigInteger),
    "query_embedding": HALFVEC(),
    "query_embeddings": JSONB(),
    "query_keys": ARRAY(Text),
    "query_id": Uuid(as_uuid=False),
    "query_sparse": SPARSEVEC(),
    "query_text": Text(),
    "query_tokens": VectorArray(HALFVEC),
    "reference_time": DateTime(timezone=True),
    "requests_per_minute": Integer(),
    "rerank": JSONB(),
    "result_offset": Integer(),
    "retention": Interval(),
    "retry_after": Interval(),
    "revision": Text(),
    "rrf_k": Integer(),
    "sample": Integer(),
    "scopes": ARRAY(Text),
    "scores": ARRAY(Float),
    "search_effort": Integer(),
    "search_efforts": ARRAY(Integer),
    "search_options": JSONB(),
    "settings": JSONB(),
    "share": Float(),
    "signature": JSONB(),
    "similarity": Float(),
    "since": DateTime(timezone=True),
    "source": Text(),
    "space": Text(),
    "start_mark": Text(),
    "stop_mark": Text(),
    "store": Boolean(),
    "strategy": Text(),
    "table_name": Text(),
    "tenant": Text(),
    "terms": Integer(),
    "text_config": Text(),
    "text_hash": Text(),
    "text_hashes": ARRAY(LargeBinary),
    "title": Text(),
    "token_counts": ARRAY(Integer),
    "type": Text(),
    "version": Integer(),
    "until": DateTime(timezone=True),
    "weights": JSONB(),
    "worker": Text(),
}
_OWN_TYPES: dict[tuple[str, str], Any] = {
    ("attach_table", "metadata"): ARRAY(Text),
    ("forget_queries", "before"): DateTime(timezone=True),
}


class NamedArgument(ColumnElement[Any]):
    """`name => value` in a function call."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012
        ("name", InternalTraversal.dp_string),
        ("value", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, name: str, value: ColumnElement[Any]) -> None:
        self.name = name
        self.value = value
        self.type = value.type


@compiles(NamedArgument)
def _compile_named_argument(element: NamedArgument, compiler: Any, **options: Any) -> str:
    return f"{element.name} => {compiler.process(element.value, **options)}"


def _argument(function: str, name: str, value: Any) -> NamedArgument:
    if isinstance(value, ColumnElement):
        return NamedArgument(name, value)
    argument_type = _OWN_TYPES.get((function, name)) or _TYPES[name]
    check_argument(name, value)
    return NamedArgument(name, literal(value, argument_type))


def parameter(name: str) -> ColumnElement[Any]:
    """What stands for an argument in a statement that is built once and executed with many."""
    return bindparam(name, type_=_TYPES[name])


def check_argument(name: str, value: Any) -> None:
    """Raise InvalidInput for what cannot be sent."""
    if isinstance(_TYPES.get(name), JSONB):
        _check_json(name, value)


def _check_json(name: str, value: Any) -> None:
    """Raise InvalidInput where the driver would only find out while it sends the value."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is not JSON: {error}") from error


def call(function: str, **arguments: Any) -> FunctionElement[Any]:
    """A call of `retrieval.<function>` with named arguments; None leaves one to its SQL default."""
    given = [
        _argument(function, name, value) for name, value in arguments.items() if value is not None
    ]
    called: FunctionElement[Any] = getattr(func.retrieval, function)(*given)
    return called
