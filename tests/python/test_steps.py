"""Steps: what runs at once, and what becomes of errors."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from retrieval.steps import Compute, Query, Steps, Together, drive, drive_async


@contextmanager
def no_connection(autocommit: bool) -> Iterator[Any]:
    yield None


@asynccontextmanager
async def no_async_connection(autocommit: bool) -> AsyncIterator[Any]:
    class Connection:
        async def run_sync(self, run: Any) -> Any:
            return run(None)

    yield Connection()


def run(steps: Steps[Any], asynchronous: bool, alone: bool = False) -> Any:
    if asynchronous:
        return asyncio.run(drive_async(steps, no_async_connection, alone=alone))  # type: ignore[arg-type]
    return drive(steps, no_connection, alone=alone)


def meeting(barrier: threading.Barrier, name: str) -> Steps[str]:
    """Steps that only get on while others wait at the same barrier."""
    yield Compute(lambda: barrier.wait(timeout=10))
    return (yield Query(lambda connection: name))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_parts_run_at_once_and_give_their_results_in_order(asynchronous: bool) -> None:
    def steps() -> Steps[list[str]]:
        barrier = threading.Barrier(3)
        return (yield Together(tuple(meeting(barrier, name) for name in "abc")))

    assert run(steps(), asynchronous) == ["a", "b", "c"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_alone_they_run_one_after_the_other(asynchronous: bool) -> None:
    done: list[str] = []

    def part(name: str) -> Steps[str]:
        yield Compute(lambda: done.append(f"{name}1"))
        yield Compute(lambda: done.append(f"{name}2"))
        return name

    def steps() -> Steps[list[str]]:
        return (yield Together((part("a"), part("b"))))

    assert run(steps(), asynchronous, alone=True) == ["a", "b"]
    assert done == ["a1", "a2", "b1", "b2"]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_is_raised_when_all_have_ended(asynchronous: bool, failing: int) -> None:
    ended: list[str] = []
    failed = threading.Event()

    def fails() -> Steps[None]:
        def fail() -> None:
            failed.set()
            raise ValueError("no")

        yield Compute(fail)

    def ends() -> Steps[None]:
        yield Compute(lambda: failed.wait(timeout=10))
        yield Compute(lambda: ended.append("done"))

    def steps() -> Steps[str]:
        parts = [ends(), ends()]
        parts[failing] = fails()
        try:
            yield Together(tuple(parts))
        except ValueError as error:
            return f"{error} {ended}"
        return "nothing was raised"

    assert run(steps(), asynchronous) == "no ['done']"
