"""What golden sets hold, read through the SQL functions."""

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.golden_sets.results import GradedDocument


def read_golden_queries(
    connection: Connection, collection: str, name: str, version: int | None
) -> dict[str, str]:
    """The queries of a golden set by their keys."""
    called = orm.call("golden_queries", collection=collection, golden_set=name, version=version)
    rows = connection.execute(select(*called.table_valued("query_key", "query_text").c))
    return {row.query_key: row.query_text for row in rows}


def read_graded(
    connection: Connection, collection: str, name: str, version: int | None
) -> list[GradedDocument]:
    """The judgements of a golden set by query, best grade first."""
    called = orm.call("judgements", collection=collection, golden_set=name, version=version)
    names = GradedDocument.__dataclass_fields__
    rows = connection.execute(select(*called.table_valued(*names).c))
    return [GradedDocument(**row._mapping) for row in rows]


def read_golden_set(
    connection: Connection, collection: str, name: str, version: int | None
) -> tuple[int, dict[str, str], dict[str, dict[str, int]]]:
    """The version that was asked for, or the newest; all its queries; and its judgements."""
    if version is None:
        version = _version(connection, collection, name)
    queries = read_golden_queries(connection, collection, name, version)
    relevance: dict[str, dict[str, int]] = {}
    for each in read_graded(connection, collection, name, version):
        relevance.setdefault(each.query_key, {})[each.document_key] = each.grade
    return version or 0, queries, relevance


def _version(connection: Connection, collection: str, name: str) -> int | None:
    """The newest version, so that two statements see the same; None where there is no such set."""
    called = orm.call("list_golden_sets", collection=collection).table_valued("name", "version")
    found: int | None = connection.scalar(select(called.c.version).where(called.c.name == name))
    return found
