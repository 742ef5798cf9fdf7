"""For whom a transaction runs: its tenant, and the role whose rights it has."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql.base import PGDialect


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


@lru_cache(maxsize=1_000)
def beginning(tenancy: Tenancy | None) -> str:
    """What begins a transaction of a tenant, in one round trip: of a search each one counts."""
    if tenancy is None:
        return "begin"
    compiled = tenancy.statement().compile(
        dialect=PGDialect(paramstyle="named"),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    return f"begin; {compiled}"


# a percent sign in a tenant's name is one
NO_PARAMETERS = {"no_parameters": True}

# what a connection is given back to its pool with
NOBODY = select(
    func.set_config("retrieval.tenant", "", False), func.set_config("role", "none", False)
)
