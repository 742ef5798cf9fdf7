"""The short operations on golden sets; files have modules of their own."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import select

from retrieval import orm
from retrieval.golden_sets.importing import store
from retrieval.golden_sets.incoming import ImportOptions, Incoming
from retrieval.golden_sets.judgements import Judgements
from retrieval.golden_sets.results import GoldenSetSummary, GradedDocument
from retrieval.golden_sets.stored import read_golden_queries, read_golden_set, read_graded
from retrieval.steps import Query, Steps


def call_steps(function: str, **arguments: Any) -> Steps[Any]:
    """One call of an SQL function, and what it returns."""
    statement = select(orm.call(function, **arguments))
    result = yield Query(lambda connection: connection.scalar(statement))
    return result


def list_steps(collection: str) -> Steps[list[GoldenSetSummary]]:
    """The golden sets of a collection."""
    called = orm.call("list_golden_sets", collection=collection)
    names = GoldenSetSummary.__dataclass_fields__
    statement = select(*called.table_valued(*names).c)
    rows = yield Query(lambda connection: connection.execute(statement).all())
    return [GoldenSetSummary(**row._mapping) for row in rows]


def queries_steps(collection: str, name: str, version: int | None) -> Steps[dict[str, str]]:
    """The queries of a golden set."""
    read = partial(read_golden_queries, collection=collection, name=name, version=version)
    found: dict[str, str] = yield Query(read)
    return found


def graded_steps(collection: str, name: str, version: int | None) -> Steps[list[GradedDocument]]:
    """The judgements of a golden set, one by one."""
    read = partial(read_graded, collection=collection, name=name, version=version)
    found: list[GradedDocument] = yield Query(read)
    return found


def judgements_steps(collection: str, name: str, version: int | None) -> Steps[Judgements]:
    """The judged queries of a golden set."""
    found = yield Query(partial(read_golden_set, collection=collection, name=name, version=version))
    _, queries, relevance = found
    return Judgements({query: queries[query] for query in relevance}, relevance)


def put_steps(collection: str, name: str, judgements: Judgements, judge: str | None) -> Steps[int]:
    """Store queries and judgements in an existing golden set."""
    incoming = Incoming.of(judgements, ImportOptions())
    version: int = yield Query(
        partial(store, collection=collection, name=name, incoming=incoming, judge=judge)
    )
    return version


def judge_steps(
    collection: str,
    name: str,
    query_key: str,
    grades: Mapping[str, int | None],
    judge: str | None,
) -> Steps[int]:
    """Store, change or take back judgements of one query."""
    rows = [
        {"query_key": query_key, "document_key": document, "grade": grade}
        for document, grade in grades.items()
    ]
    arguments = {"collection": collection, "golden_set": name, "judge": judge}
    version: int = yield from call_steps("put_judgements", judgements=rows, **arguments)
    return version
