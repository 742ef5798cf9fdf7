"""The roles that come with the migrations, as far as a login may become them."""

from sqlalchemy import bindparam, text
from sqlalchemy.sql.elements import TextClause

READER = "retrieval_reader"
WRITER = "retrieval_writer"

# The right to set a role has a name of its own since PostgreSQL 16; before, every member had it.
_SETTABLE = text(
    """
    select rolname from pg_catalog.pg_roles
    where rolname = any (:roles)
      and pg_catalog.pg_has_role(oid, case
          when current_setting('server_version_num')::integer >= 160000 then 'SET'
          else 'MEMBER' end)
    """
)


def settable_roles(*roles: str) -> TextClause:
    """The statement whose rows are those of the roles that there are and the login may set."""
    return _SETTABLE.bindparams(bindparam("roles", [*roles]))
