"""Lets a program that runs searches, such as the service, see how long their parts take."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal

Stage = Literal["search", "rerank", "embed_queries", "embed_documents"]


class Observer:
    """What is told of the work of retrievers; this one does nothing with it.

    It never learns a text, and may be called from several threads at once.
    """

    def stage(
        self, stage: Stage, *, legs: str = "", texts: int = 0
    ) -> AbstractContextManager[object]:
        """What a part of the work runs in. A search is the database's part of one, with its legs
        as in `keyword+semantic`; those of spaces that are searched by their names are `space`.
        """
        return nullcontext()

    def wants_legs(self) -> bool:
        """Whether `legs` is to be called after the hybrid search that is about to run."""
        return False

    def legs(self, seconds: Sequence[tuple[str, float]]) -> None:
        """How long each leg of a hybrid search took in the database."""

    def cached(self, hits: int, misses: int) -> None:
        """How many embeddings of documents the cache had, and had not."""


_current: ContextVar[Observer] = ContextVar("observer", default=Observer())  # noqa: B039


def observer() -> Observer:
    """The observer of what runs now."""
    return _current.get()


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Let an observer see what is done inside of the block, in threads that asyncio starts too."""
    token = _current.set(observer)
    try:
        yield
    finally:
        _current.reset(token)
