"""Alembic's environment: everything happens inside of the schema `retrieval`.

The database is, in this order: a connection handed over by the caller, `-x url=…`, `sqlalchemy.url`
in alembic.ini, RETRIEVAL_DATABASE_URL, the embedded server.
"""

import re
from typing import Any

from alembic import context
from sqlalchemy import Connection, text


def only_retrieval(name: str | None, kind: str, parent: Any) -> bool:
    """Whether Alembic may look at a schema or an object in it; partitions are made at run time."""
    if kind == "schema":
        return name == "retrieval"
    return kind != "table" or re.search(r"_\d+$", name or "") is None


def configure(**options: Any) -> None:
    """The settings that both modes share."""
    context.configure(
        version_table_schema="retrieval",
        include_schemas=True,
        include_name=only_retrieval,
        **options,
    )


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction."""
    connection.execute(text("create schema if not exists retrieval"))
    configure(connection=connection, target_metadata=context.config.attributes.get("metadata"))
    with context.begin_transaction():
        context.run_migrations()


def print_sql() -> None:
    """Write the migrations as SQL, for `alembic upgrade head --sql`."""
    configure(dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.execute("create schema if not exists retrieval")
        context.run_migrations()


def url() -> str | None:
    """The address that the call or the configuration names."""
    named = context.get_x_argument(as_dictionary=True).get("url")
    return named or context.config.get_main_option("sqlalchemy.url")


if context.is_offline_mode():
    print_sql()
elif "connection" in context.config.attributes:
    migrate(context.config.attributes["connection"])
else:
    from retrieval.database import open_engine

    with open_engine(url()).begin() as connection:
        migrate(connection)
