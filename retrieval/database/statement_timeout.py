"""How long the statements of a transaction may take."""

from math import ceil
from typing import Any

from sqlalchemy import Select, func, select


def timeout_statement(seconds: float) -> Select[Any]:
    """What sets it for the rest of the transaction, so that a pooler's other sessions are free."""
    return select(func.set_config("statement_timeout", f"{ceil(seconds * 1000)}ms", True))
