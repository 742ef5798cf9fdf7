"""Whether requests can be served, and if not, which part is missing."""

import asyncio

from sqlalchemy import Connection, text

from retrieval import database
from retrieval.errors import DatabaseUnavailable
from retrieval.search import AsyncRetriever
from retrieval.service.operations import Operations
from retrieval.service.problems import MODEL_UNAVAILABLE, SHUTTING_DOWN, Kind

PATIENCE = 5.0

INDEX_INVALID = Kind("index-invalid", 503, "An index of the database is not valid")

# one that somebody builds at this moment is not valid yet, and its table is locked meanwhile
_INVALID = text(
    """
    select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = to_regnamespace('retrieval') and c.relkind = 'i' and not i.indisvalid
      and not exists (
          select from pg_locks l
          where l.relation = i.indrelid and l.mode = 'ShareUpdateExclusiveLock' and l.granted
            and l.database = (select oid from pg_database where datname = current_database()))
    order by c.relname
    """
)
_LACKING = text(
    """
    select count(*) from retrieval.spaces s
    where s.state = 'active' and s.index_method <> 'none' and not retrieval._has_index(s)
    """
)


class NotServing(Exception):
    """The check that failed, as a problem."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


async def checks(retriever: AsyncRetriever, operations: Operations) -> dict[str, str]:
    """What each part says of itself; NotServing, or the database's error, where one is missing.

    A space without its index is no reason not to serve: its searches read all of it, and are right.
    """
    if operations.is_draining:
        raise NotServing(SHUTTING_DOWN, "service: it is being stopped")
    try:
        with database.translate_errors():
            async with asyncio.timeout(PATIENCE), retriever.engine.connect() as connection:
                found = await connection.run_sync(_of_database)
    except TimeoutError as error:
        raise DatabaseUnavailable(f"no answer within {PATIENCE:g} seconds") from error
    warm_up = operations.warm_up
    if not warm_up.is_done:
        raise NotServing(MODEL_UNAVAILABLE, f"model: {warm_up.state}")
    return {"database": "ok", **found, "model": warm_up.state}


def _of_database(connection: Connection) -> dict[str, str]:
    database.check_schema(connection)
    invalid = connection.scalars(_INVALID).all()
    if invalid:
        raise NotServing(
            INDEX_INVALID,
            f"indexes: not valid: {', '.join(invalid)}; of a space, build it again with: "
            "retrieval spaces build; else: reindex index concurrently",
        )
    lacking = connection.scalar(_LACKING)
    indexes = f"ok; {lacking} active spaces have none, and are read whole" if lacking else "ok"
    return {"schema": database.head_revision(), "indexes": indexes}
