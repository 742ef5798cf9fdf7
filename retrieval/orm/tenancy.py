"""Which rows belong to the tenant that the transaction is in."""

from typing import Any

from sqlalchemy import Text, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from retrieval.orm.functions import call


def of_current_tenant(entity: Any) -> ColumnElement[bool]:
    """The condition that documents or chunks are the current tenant's, for own statements.

    Row-level security says so too, but not to the owner of the tables.
    """
    condition: ColumnElement[bool] = entity.tenant == type_coerce(call("current_tenant"), Text)
    return condition
