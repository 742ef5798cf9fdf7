"""The roles of the database whose rights a request gets: less than those of the service's login."""

from retrieval import database
from retrieval.database.roles import READER, WRITER, settable_roles
from retrieval.search import AsyncRetriever

# what administers is done by the login itself: it creates and drops tables
_ROLES = {"read": READER, "write": WRITER}


class DatabaseRoles:
    """Which roles there are that the service's login may become; the database is asked once."""

    def __init__(self) -> None:
        self._settable: set[str] | None = None

    async def of_scope(self, retriever: AsyncRetriever, scope: str) -> str | None:
        """The role for a scope; None where requests have the rights of the login."""
        role = _ROLES.get(scope)
        if role is None:
            return None
        if self._settable is None:
            with database.translate_errors():
                async with retriever.engine.connect() as connection:
                    found = await connection.scalars(settable_roles(*_ROLES.values()))
                    self._settable = set(found)
        return role if role in self._settable else None
