"""Files of queries and judgements into a golden set, all or nothing."""

from collections.abc import Callable, Sequence

from sqlalchemy import ARRAY, Connection, Text, any_, literal, select

from retrieval import orm
from retrieval.errors import InvalidInput
from retrieval.golden_sets.incoming import ImportOptions, Incoming
from retrieval.golden_sets.judgements import Judgements
from retrieval.golden_sets.results import ImportedGoldenSet
from retrieval.golden_sets.stored import read_golden_queries
from retrieval.steps import Compute, Query, Steps


def import_steps(
    read: Callable[[], Judgements],
    collection: str,
    name: str,
    *,
    origin: str,
    description: str | None,
    judge: str | None,
    options: ImportOptions,
) -> Steps[ImportedGoldenSet]:
    """Read files, and store what they hold in one transaction."""
    incoming = Incoming.of((yield Compute(read)), options)

    def run(connection: Connection) -> int:
        _create(connection, collection, name, origin, description)
        _prepare(connection, collection, name, incoming, options)
        return store(connection, collection, name, incoming, judge)

    version = yield Query(run)
    judged = sum(map(len, incoming.relevance.values()))
    left_out = (incoming.skipped, incoming.unjudged, incoming.merged)
    return ImportedGoldenSet(version, len(incoming.queries), judged, *left_out)


def _create(
    connection: Connection, collection: str, name: str, origin: str, description: str | None
) -> None:
    called = orm.call(
        "create_golden_set",
        collection=collection,
        name=name,
        origin=origin,
        description=description,
        if_not_exists=True,
    )
    connection.execute(select(called))


def _prepare(
    connection: Connection, collection: str, name: str, incoming: Incoming, options: ImportOptions
) -> None:
    if options.skip_missing:
        incoming.keep_documents(_existing(connection, collection, incoming.document_keys()))
    if options.merge_duplicates:
        incoming.merge_duplicates(read_golden_queries(connection, collection, name, None))
    if not options.unjudged:
        incoming.keep_judged()
    if not incoming.queries:
        raise InvalidInput("there is no query with a judgement to import")


def _existing(connection: Connection, collection: str, document_keys: Sequence[str]) -> set[str]:
    statement = (
        select(orm.Document.document_key)
        .join(orm.Collection, orm.Collection.collection_id == orm.Document.collection_id)
        .where(
            orm.Collection.name == collection,
            orm.Document.document_key == any_(literal(list(document_keys), ARRAY(Text))),
            orm.of_current_tenant(orm.Document),
        )
    )
    return set(connection.scalars(statement))


def store(
    connection: Connection, collection: str, name: str, incoming: Incoming, judge: str | None
) -> int:
    """Put queries and then judgements into a golden set; returns its version."""
    where = {"collection": collection, "golden_set": name}
    queries = [{"query_key": key, "query_text": text} for key, text in incoming.queries.items()]
    called = orm.call("put_golden_queries", queries=queries, **where)
    version = connection.scalar(select(called))
    rows = incoming.rows()
    if rows:
        called = orm.call("put_judgements", judgements=rows, judge=judge, **where)
        version = connection.scalar(select(called))
    return int(version or 0)
