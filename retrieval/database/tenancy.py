"""For whom a transaction runs: its tenant, and the role whose rights it has."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A tenant, "" for what belongs to none, and a role of the database; None: the login's own."""

    tenant: str = ""
    role: str | None = None

    def statement(self, *, transaction: bool = True) -> Select[Any]:
        """What sets both, until the transaction ends, or else until it is set again."""
        columns = [func.set_config("retrieval.tenant", self.tenant, transaction)]
        if self.role is not None:
            columns.append(func.set_config("role", self.role, transaction))
        return select(*columns)


# what a connection is given back to its pool with
NOBODY = select(
    func.set_config("retrieval.tenant", "", False), func.set_config("role", "none", False)
)
