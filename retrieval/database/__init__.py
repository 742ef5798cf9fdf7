"""The database: where it comes from, whether it can be used, and what its errors mean."""

from retrieval.database.connection import (
    is_embedded,
    normalise_url,
    open_async_engine,
    open_async_replica,
    open_engine,
    open_replica,
    transaction,
)
from retrieval.database.doctor import Finding, diagnose
from retrieval.database.failures import from_database_error, translate_errors
from retrieval.database.schema import (
    check_schema,
    current_revision,
    head_revision,
    migration_sql,
    prepare_schema,
    upgrade_schema,
)
from retrieval.database.server import embedded_server_url, stop_embedded_server

__all__ = [
    "Finding",
    "check_schema",
    "current_revision",
    "diagnose",
    "embedded_server_url",
    "from_database_error",
    "head_revision",
    "is_embedded",
    "migration_sql",
    "normalise_url",
    "open_async_engine",
    "open_async_replica",
    "open_engine",
    "open_replica",
    "prepare_schema",
    "stop_embedded_server",
    "transaction",
    "translate_errors",
    "upgrade_schema",
]
