"""What holds for a transaction: its tenant, whose rights it has, and how long it may take."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from psycopg.sql import quote
from sqlalchemy import Select, func, select, text


@dataclass(frozen=True, slots=True)
class TransactionSettings:
    """A tenant, "" for what belongs to none; a role of the database; seconds for each statement.

    None leaves each as the session has it; `read_only` refuses to write anything.
    """

    tenant: str | None = None
    role: str | None = None
    statement_timeout: float | None = None
    read_only: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether a transaction needs none of them."""
        return self == TransactionSettings()

    def statement(self) -> Select[tuple[str, ...]]:
        """What sets them until the transaction ends."""
        return select(*(func.set_config(name, value, True) for name, value in self._values()))

    def session_statement(self) -> Select[tuple[str, ...]]:
        """What a session has that builds an index, outside of transactions: the role.

        An index is of no tenant, and takes its time. `RESET_ROLE` gives the session back.
        """
        return select(func.set_config("role", self.role, False))

    def _values(self) -> Iterator[tuple[str, str]]:
        if self.read_only:
            yield "transaction_read_only", "on"
        if self.tenant is not None:
            yield "retrieval.tenant", self.tenant
        if self.role is not None:
            yield "role", self.role
        if self.statement_timeout is not None:
            # for the transaction alone, so that the other users of a pooler are free of it
            yield "statement_timeout", f"{ceil(self.statement_timeout * 1000)}ms"


@lru_cache(maxsize=1_000)
def beginning(settings: TransactionSettings) -> str:
    """What begins a transaction with its settings, in one round trip."""
    if settings.is_empty:
        return "begin"
    calls = (
        f"set_config({quote(name)}, {quote(value)}, true)" for name, value in settings._values()
    )
    return f"begin; select {', '.join(calls)}"


# a percent sign in a tenant's name is one
NO_PARAMETERS = {"no_parameters": True}

# to the role that sessions of the login begin in, which need not be the login itself
RESET_ROLE = text("reset role")
