"""What of a golden set is shown: a part of it, picked in the database."""

from typing import Any

from sqlalchemy import Select, func, select

from retrieval import orm


def queries_statement(collection: str, golden_set: str, version: int | None) -> Select[Any]:
    """The queries of a set by key, each with the number of its judgements."""
    where = {"collection": collection, "golden_set": golden_set, "version": version}
    queries = orm.call("golden_queries", **where).table_valued("query_key", "query_text")
    judged = orm.call("judgements", **where).table_valued("query_key", "document_key")
    return (
        select(*queries.c, func.count(judged.c.document_key).label("judgements"))
        .outerjoin_from(queries, judged, judged.c.query_key == queries.c.query_key)
        .group_by(*queries.c)
        .order_by(queries.c.query_key)
    )


def judgements_statement(
    collection: str,
    golden_set: str,
    version: int | None = None,
    *,
    query_key: str | None = None,
    query_text: str | None = None,
) -> Select[Any]:
    """The judgements of a set, or of one of its queries: by query, best grade first."""
    where = {"collection": collection, "golden_set": golden_set, "version": version}
    names = ("query_key", "document_key", "grade", "judge", "judged_at")
    judged = orm.call("judgements", **where).table_valued(*names)
    found = select(*judged.c)
    if query_key is not None:
        found = found.where(judged.c.query_key == query_key)
    if query_text is not None:
        queries = orm.call("golden_queries", **where).table_valued("query_key", "query_text")
        found = found.join_from(judged, queries, judged.c.query_key == queries.c.query_key).where(
            queries.c.query_text == query_text
        )
    return found.order_by(judged.c.query_key, judged.c.grade.desc(), judged.c.document_key)
