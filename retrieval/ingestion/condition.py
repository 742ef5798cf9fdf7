"""What must hold of a stored document for another one to take its place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from retrieval.errors import ConditionFailed
from retrieval.stored.documents import stored_document

# told the version of what is stored, None where nothing is
Condition = Callable[[str | None], bool]


def check_condition(
    connection: Connection, collection: str, document_key: str, condition: Condition
) -> bool:
    """Raise ConditionFailed unless it holds, and let it hold until the transaction ends.

    Returns whether the document is stored. Nothing can be locked of one that is not.
    """
    stored = stored_document(connection, collection, document_key, lock=True)
    if not condition(None if stored is None else stored.version):
        raise _changed(
            document_key, "is not stored" if stored is None else "is stored as another version"
        )
    return stored is not None


@contextmanager
def holding(
    connection: Connection, collection: str, document_keys: Sequence[str], condition: Condition
) -> Iterator[None]:
    """Store documents inside of the block, each of them on the condition."""
    absent = [
        key
        for key in sorted(document_keys)
        if not check_condition(connection, collection, key, condition)
    ]
    yield
    now = connection.scalar(select(func.now()))
    for key in absent:
        stored = stored_document(connection, collection, key)
        # somebody else's was older, and would have been replaced unseen
        if stored is None or stored.created_at != now:
            raise _changed(key, "was stored by somebody else meanwhile")


def _changed(document_key: str, what: str) -> ConditionFailed:
    return ConditionFailed(f"document {document_key} {what}")
