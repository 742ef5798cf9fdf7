"""What is due once after all documents: gaps, indexes, statistics, calibration."""

from functools import partial

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from retrieval import orm
from retrieval.database import from_database_error
from retrieval.embedding.cache import trim_cache
from retrieval.embedding.spaces import KnownSpace, KnownSpaces
from retrieval.errors import LoadError, NotReady
from retrieval.ingestion.calibrate import calibrate_steps
from retrieval.ingestion.fill import fill_space
from retrieval.ingestion.queue import has_jobs
from retrieval.ingestion.report import IngestReport
from retrieval.ingestion.written import WrittenSpaces
from retrieval.steps import Query, Steps

BULK_CHUNKS = 1_000


def complete(
    collection: str, spaces: WrittenSpaces, known_spaces: KnownSpaces, report: IngestReport
) -> Steps[None]:
    """Leave the collection as it is to be searched."""

    def fail(error: LoadError) -> None:
        report.fail(error.source, error.reason)

    filled = 0
    for space in spaces.by_id.values():
        if (yield Query(partial(has_jobs, collection=collection, space=space.name))):
            filled += yield from fill_space(collection, space, on_failure=fail)
    yield Query(partial(_tidy, collection=collection, spaces=spaces, report=report))
    if report.chunks or filled:
        yield from _calibrate(collection, spaces, known_spaces, report)


def _tidy(
    connection: Connection, collection: str, spaces: WrittenSpaces, report: IngestReport
) -> None:
    """Build the indexes of active spaces that have none, and tidy up after a bulk load."""
    for space in spaces.by_id.values():
        if space.state == "active":
            _build_index(connection, collection, space)
    if report.chunks >= BULK_CHUNKS:
        connection.execute(select(orm.call("tidy_collection", collection=collection)))
    if report.chunks:
        trim_cache(connection)


def _build_index(connection: Connection, collection: str, space: KnownSpace) -> None:
    called = orm.call("build_index", collection=collection, space=space.name, kind=space.kind)
    try:
        with connection.begin_nested():
            connection.execute(select(called))
    except DBAPIError as error:
        if not isinstance(from_database_error(error), NotReady):  # somebody else is building it
            raise


def _calibrate(
    collection: str, spaces: WrittenSpaces, known_spaces: KnownSpaces, report: IngestReport
) -> Steps[None]:
    """Find out what the space that is searched should count, where it is time to."""
    for space in spaces.by_id.values():
        # of images the words do not tell which are alike
        if (space.state, space.kind, space.modality) == ("active", "dense", "text"):
            failed = yield from calibrate_steps(collection, space, known_spaces)
            if failed is not None:
                report.warnings.append(failed)
