"""Rows by the server's binary COPY, through a connection of SQLAlchemy, synchronous or not."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]
Statement = SQL | Composed


def copy_in(
    connection: Connection,
    statement: Statement,
    types: Sequence[str],
    batches: Iterator[Sequence[Row]],
) -> None:
    """Send the rows of every batch; `types` are those that the values are written as.

    A type that the driver does not know is written as "bytea", whose values are its binary form.
    """
    dbapi: Any = connection.connection.dbapi_connection
    with _driver_errors(statement):
        if isinstance(connection.connection.driver_connection, psycopg.AsyncConnection):
            dbapi.run_async(lambda driver: _copy_in_async(driver, statement, types, batches))
            return
        with dbapi.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for batch in batches:
                for row in batch:
                    copy.write_row(row)


async def _copy_in_async(
    driver: psycopg.AsyncConnection[Any],
    statement: Statement,
    types: Sequence[str],
    batches: Iterator[Sequence[Row]],
) -> None:
    async with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            for row in batch:
                await copy.write_row(row)


def copy_out(
    connection: Connection,
    statement: Statement,
    types: Sequence[str],
    consume: Callable[[list[Row]], None],
    batch_size: int,
) -> None:
    """Give the rows that the server sends to `consume`, some at a time."""
    dbapi: Any = connection.connection.dbapi_connection
    with _driver_errors(statement):
        if isinstance(connection.connection.driver_connection, psycopg.AsyncConnection):
            dbapi.run_async(
                lambda driver: _copy_out_async(driver, statement, types, consume, batch_size)
            )
            return
        with dbapi.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            batch: list[Row] = []
            for row in copy.rows():
                batch.append(row)
                if len(batch) == batch_size:
                    consume(batch)
                    batch = []
            consume(batch)


async def _copy_out_async(
    driver: psycopg.AsyncConnection[Any],
    statement: Statement,
    types: Sequence[str],
    consume: Callable[[list[Row]], None],
    batch_size: int,
) -> None:
    async with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        batch: list[Row] = []
        async for row in copy.rows():
            batch.append(row)
            if len(batch) == batch_size:
                await asyncio.to_thread(consume, batch)
                batch = []
        await asyncio.to_thread(consume, batch)


@contextmanager
def _driver_errors(statement: Statement) -> Iterator[None]:
    """Raise what SQLAlchemy would have raised, had the statement gone through it."""
    try:
        yield
    except psycopg.Error as error:
        raise DBAPIError.instance(str(statement), None, error, psycopg.Error) from error
