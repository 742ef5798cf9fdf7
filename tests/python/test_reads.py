"""What only reads: in which transaction, for whom, and what it leaves behind in the connection."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text

from retrieval import AsyncRetriever, RetrievalError, Retriever
from retrieval.steps import Read, Steps

TENANT = select(func.coalesce(func.current_setting("retrieval.tenant", True), ""))
TENANTS = ["acme", "a'b", "100%", "%s %(x)s %%", "a:b \\", "ü"]


def two_statements(connection: Connection) -> Any:
    connection.execute(select(func.set_config("retrieval.explain", "on", True)))
    return connection.scalar(select(func.current_setting("retrieval.explain", True)))


def reading(transaction: bool) -> Steps[Any]:
    return (yield Read(two_statements, transaction=transaction))


def test_statements_are_together_where_that_is_asked_for(module_database_url: str) -> None:
    async def asynchronous() -> None:
        async with await AsyncRetriever.open(module_database_url) as retriever:
            assert await retriever._drive(reading(True), None) == "on"
            assert await retriever._drive(reading(False), None) == ""

    asyncio.run(asynchronous())
    with Retriever.open(module_database_url) as retriever:
        assert retriever._drive(reading(True), None) == "on"
        assert retriever._drive(reading(False), None) == ""


def test_a_read_that_lost_a_deadlock_is_repeated(module_database_url: str) -> None:
    lost = "do $$ begin raise exception using errcode = 'deadlock_detected'; end $$"

    def losing(times: int) -> Steps[Any]:
        tries: list[int] = []

        def run(connection: Connection) -> int:
            tries.append(1)
            if len(tries) <= times:
                connection.execute(text(lost))
            return len(tries)

        return (yield Read(run))

    async def asynchronous() -> None:
        async with await AsyncRetriever.open(module_database_url) as retriever:
            assert await retriever._drive(losing(1), None) == 2
            with pytest.raises(RetrievalError, match="deadlock"):
                await retriever._drive(losing(2), None)

    asyncio.run(asynchronous())
    with Retriever.open(module_database_url) as retriever:
        assert retriever._drive(losing(1), None) == 2
        with pytest.raises(RetrievalError, match="deadlock"):
            retriever._drive(losing(2), None)


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_read_is_its_tenants_and_the_next_one_nobodys(
    module_database_url: str, monkeypatch: pytest.MonkeyPatch, tenant: str
) -> None:
    monkeypatch.setenv("RETRIEVAL_POOL_SIZE", "1")
    monkeypatch.setenv("RETRIEVAL_POOL_OVERFLOW", "0")
    failing = select(text("1 / 0"))

    async def asynchronous() -> None:
        async with await AsyncRetriever.open(module_database_url) as retriever:
            bound = retriever.for_tenant(tenant)
            for _ in range(2):
                assert await bound.read(TENANT) == [(tenant,)]
                with pytest.raises(RetrievalError, match="zero"):
                    await bound.read(failing)
                assert await retriever.read(TENANT) == [("",)]

    asyncio.run(asynchronous())
    with Retriever.open(module_database_url) as retriever:
        bound = retriever.for_tenant(tenant)
        for _ in range(2):
            assert bound.read(TENANT) == [(tenant,)]
            with pytest.raises(RetrievalError, match="zero"):
                bound.read(failing)
            assert retriever.read(TENANT) == [("",)]
            # and what writes has a transaction of its own again
            with retriever._connection(None) as connection:
                assert connection.scalar(text("select current_setting('retrieval.tenant')")) == ""
