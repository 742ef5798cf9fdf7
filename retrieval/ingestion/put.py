"""Stores documents that were given, and says of each what became of it."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from sqlalchemy import Connection, select

from retrieval import orm
from retrieval.document import Document
from retrieval.embedding.spaces import KnownSpaces
from retrieval.ingestion.condition import Condition, check_condition
from retrieval.ingestion.options import IngestOptions
from retrieval.ingestion.report import IngestReport, Outcome
from retrieval.ingestion.run import IngestRun
from retrieval.steps import Query, Steps


def put_steps(
    collection: str,
    documents: Iterable[Document],
    known_spaces: KnownSpaces,
    condition: Condition | None,
) -> Steps[list[Outcome]]:
    """Store documents, each whole; the outcomes are in their order."""
    given = list(documents)
    if condition is not None:
        # what is stored already is not stored again, so the condition would not be looked at
        for each in given:
            check = partial(
                check_condition,
                collection=collection,
                document_key=each.key,
                condition=condition,
            )
            yield Query(check)
    run = IngestRun(collection, given, known_spaces, IngestOptions(condition=condition))
    run.report.outcomes = {}
    report = yield from run.steps()
    return list(_outcomes(given, report))


def _outcomes(given: Sequence[Document], report: IngestReport) -> Iterator[Outcome]:
    stored = dict(report.outcomes or {})
    reasons: dict[str, list[str]] = {}
    for failure in report.failures:
        reasons.setdefault(failure.source, []).append(failure.reason)
    for each in given:
        # of a key that is given twice the first one counts
        outcome = stored.pop(each.key, None)
        if outcome is None:
            said = reasons.get(each.key) or reasons.get(repr(each.key)) or ["it was not stored"]
            outcome = Outcome(each.key, "failed", reason=said.pop(0) if len(said) > 1 else said[0])
        yield outcome


def delete_steps(collection: str, document_key: str, condition: Condition | None) -> Steps[bool]:
    """Delete one document on a condition."""

    def delete(connection: Connection) -> bool:
        if condition is not None:
            check_condition(connection, collection, document_key, condition)
        called = orm.call("delete_document", collection=collection, document_key=document_key)
        return bool(connection.scalar(select(called)))

    deleted: bool = yield Query(delete)
    return deleted
