"""Work that goes back and forth between the database and the processor, written once.

A generator of steps says what is to be done; the synchronous and the asynchronous retriever each
drive it with their own connections. What a step returned is sent back into the generator.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
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
class Read:
    """Statements that only read, and may be run again elsewhere; each by itself or together."""

    run: Callable[[Connection], Any]
    transaction: bool = False


@dataclass(frozen=True, slots=True)
class Compute:
    """Work that needs no database and may take long, such as running a model."""

    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """What another thread comes to."""

    future: "Future[Any]"


@dataclass(frozen=True, slots=True)
class Together:
    """Several sequences of steps at once, each with connections of its own; gives their results.

    On a connection of the caller's they run one after the other. The first one runs in the calling
    thread, where an interruption reaches it. All come to an end before an error of one is raised.
    """

    parts: "tuple[Steps[Any], ...]"


Step = Query | Read | Compute | Wait | Together
Steps = Generator[Step, Any, Result]

Connect = Callable[[bool], AbstractContextManager[Connection]]
AsyncConnect = Callable[[bool], AbstractAsyncContextManager[AsyncConnection]]
Reader = Callable[[Read], Any]
AsyncReader = Callable[[Read], Awaitable[Any]]


def drive(
    steps: Steps[Result], connect: Connect, *, read: Reader | None = None, alone: bool = False
) -> Result:
    """Run the steps; `connect(autocommit)` opens what a query runs on.

    `read` runs what only reads, without it that is done as any query. Where all of them have the
    same connection, the steps run `alone`. What goes wrong in a step is raised where the generator
    yielded it.
    """

    def run(step: Step) -> Any:
        if isinstance(step, Compute):
            return step.run()
        if isinstance(step, Wait):
            return step.future.result()
        if isinstance(step, Together):
            return together(step.parts)
        if isinstance(step, Read) and read is not None:
            return read(step)
        with connect(isinstance(step, Query) and step.autocommit) as connection:
            return step.run(connection)

    def together(parts: tuple[Steps[Any], ...]) -> list[Any]:
        if alone:
            return [drive(part, connect, read=read, alone=True) for part in parts]
        with ThreadPoolExecutor(len(parts)) as threads:
            others = [threads.submit(drive, part, connect, read=read) for part in parts[1:]]
            return [drive(parts[0], connect, read=read), *(other.result() for other in others)]

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


async def drive_async(
    steps: Steps[Result],
    connect: AsyncConnect,
    *,
    read: AsyncReader | None = None,
    alone: bool = False,
) -> Result:
    """Run the steps; what computes goes to a thread."""

    async def run(step: Step) -> Any:
        if isinstance(step, Compute):
            return await asyncio.to_thread(step.run)
        if isinstance(step, Wait):
            return await asyncio.wrap_future(step.future)
        if isinstance(step, Together):
            return await together(step.parts)
        if isinstance(step, Read) and read is not None:
            return await read(step)
        async with connect(isinstance(step, Query) and step.autocommit) as connection:
            return await connection.run_sync(step.run)

    async def together(parts: tuple[Steps[Any], ...]) -> list[Any]:
        if alone:
            return [await drive_async(part, connect, read=read, alone=True) for part in parts]
        ended = await asyncio.gather(
            *(drive_async(part, connect, read=read) for part in parts), return_exceptions=True
        )
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return ended

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
