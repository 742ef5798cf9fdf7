"""What a language model may reach: some collections, of one tenant, to read."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from retrieval.database.roles import READER, settable_roles
from retrieval.errors import InvalidInput, NotFound
from retrieval.search import AsyncRetriever, CollectionSummary


@dataclass(frozen=True, slots=True)
class Access:
    """A retriever and the collections that may be seen; None: all of them."""

    retriever: AsyncRetriever
    exposed: frozenset[str] | None = None

    async def collections(self) -> list[CollectionSummary]:
        """The collections that may be seen, by name."""
        found = await self.retriever.collections()
        return [each for each in found if self.exposed is None or each.name in self.exposed]

    async def collection(self, name: str | None) -> str:
        """The name, where it may be seen; without one that of the only collection."""
        if name is None:
            names = [each.name for each in await self.collections()]
            if len(names) != 1:
                there_are = f"one of: {', '.join(names)}" if names else "there is none"
                raise InvalidInput(f"collection: must be given; {there_are}")
            return names[0]
        if self.exposed is not None and name not in self.exposed:
            raise NotFound(f"collection {name} does not exist")
        return name


@asynccontextmanager
async def open_access(
    url: str | None = None, *, collections: Sequence[str] = (), tenant: str | None = None
) -> AsyncIterator[Access]:
    """Open a retriever that only reads; a collection that is named must exist.

    Every transaction is read-only, and has the rights of the role retrieval_reader alone where
    there is one that the login may enter.
    """
    async with await AsyncRetriever.open(url) as opened:
        retriever = opened.read_only()
        role = await _reading_role(opened)
        if tenant is not None or role is not None:
            retriever = retriever.for_tenant(tenant or "", role=role)
        access = Access(retriever, frozenset(collections) if collections else None)
        missing = set(collections) - {each.name for each in await access.collections()}
        if missing:
            raise NotFound(f"collection {min(missing)} does not exist")
        yield access


async def _reading_role(retriever: AsyncRetriever) -> str | None:
    async with retriever.engine.connect() as connection:
        role: str | None = await connection.scalar(settable_roles(READER))
    return role
