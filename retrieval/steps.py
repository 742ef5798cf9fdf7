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
    """Run the steps; `connect(autocommit)` opens what a query runs on.

    What goes wrong in a step is raised where the generator yielded it.
    """

    def run(step: Step) -> Any:
        if isinstance(step, Compute):
            return step.run()
        with connect(step.autocommit) as connection:
            return step.run(connection)

    try:
        step = next(steps)
        while True:
            try:
                result = run(step)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        value: Result = done.value
        return value


async def drive_async(steps: Steps[Result], connect: AsyncConnect) -> Result:
    """Run the steps; what computes goes to a thread."""

    async def run(step: Step) -> Any:
        if isinstance(step, Compute):
            return await asyncio.to_thread(step.run)
        async with connect(step.autocommit) as connection:
            return await connection.run_sync(step.run)

    try:
        step = next(steps)
        while True:
            try:
                result = await run(step)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        value: Result = done.value
        return value
