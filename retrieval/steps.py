"""Work that goes back and forth between the database and the processor, written once.

A generator of steps says what is to be done; the synchronous and the asynchronous retriever each
drive it with their own connections. What a step returned is sent back into the generator.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Query:
    """A transaction; with `autocommit`, statements that cannot run inside of one."""

    run: Callable[[Connection], Any]
    autocommit: bool = False


@dataclass(frozen=True, slots=True)
class Compute:
    """Work that needs no database and may take long, such as running a model."""

    run: Callable[[], Any]


Step = Query | Compute
Steps = Generator[Step, Any, Result]

Connect = Callable[[bool], AbstractContextManager[Connection]]
AsyncConnect = Callable[[bool], AbstractAsyncContextManager[AsyncConnection]]


def drive(steps: Steps[Result], connect: Connect) -> Result:
    """Run the steps; `connect(autocommit)` opens what a query runs on."""
    result: Any = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as done:
            value: Result = done.value
            return value
        if isinstance(step, Compute):
            result = step.run()
        else:
            with connect(step.autocommit) as connection:
                result = step.run(connection)


async def drive_async(steps: Steps[Result], connect: AsyncConnect) -> Result:
    """Run the steps; what computes goes to a thread."""
    result: Any = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as done:
            value: Result = done.value
            return value
        if isinstance(step, Compute):
            result = await asyncio.to_thread(step.run)
        else:
            async with connect(step.autocommit) as connection:
                result = await connection.run_sync(step.run)
