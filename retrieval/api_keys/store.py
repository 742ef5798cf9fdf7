"""Keys in the database, each step one call of the SQL function of its name."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from retrieval import orm
from retrieval.api_keys.api_key import ApiKey

_KEY = ("name", "scopes", "collections", "tenant", "requests_per_minute")
_TIMES = ("expires_at", "revoked_at", "last_used_at")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with the hash of its secret."""

    key: ApiKey
    key_hash: str = field(repr=False)


def create_api_key(
    connection: Connection,
    api_key_id: str,
    key_hash: str,
    name: str,
    *,
    scopes: Sequence[str],
    collections: Sequence[str] | None = None,
    tenant: str = "",
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Store a key; without collections it is for all of them."""
    called = orm.call(
        "create_api_key",
        api_key_id=api_key_id,
        key_hash=key_hash,
        name=name,
        scopes=list(scopes),
        collections=None if collections is None else list(collections),
        tenant=tenant,
        requests_per_minute=requests_per_minute,
        expires_at=expires_at,
    )
    connection.execute(select(called))


def find_api_key(connection: Connection, api_key_id: str) -> StoredKey | None:
    """The key with this id, revoked or expired though it may be."""
    found = orm.call("find_api_key", api_key_id=api_key_id)
    columns = found.table_valued("key_hash", *_KEY, *_TIMES)
    row = connection.execute(select(columns)).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    key_hash = values.pop("key_hash")
    return StoredKey(_api_key({"api_key_id": api_key_id, **values}), key_hash)


def list_api_keys(connection: Connection) -> list[ApiKey]:
    """Every key, oldest first."""
    listed = orm.call("list_api_keys").table_valued("api_key_id", *_KEY, "created_at", *_TIMES)
    return [_api_key(dict(row._mapping)) for row in connection.execute(select(listed))]


def revoke_api_key(connection: Connection, api_key_id: str) -> datetime:
    """End a key for good; returns since when it has been."""
    revoked = connection.execute(select(orm.call("revoke_api_key", api_key_id=api_key_id)))
    since: datetime = revoked.scalar_one()
    return since


def record_api_key_use(connection: Connection, api_key_id: str) -> None:
    """Note that a key was used; writes once a minute at most."""
    connection.execute(select(orm.call("record_api_key_use", api_key_id=api_key_id)))


def any_usable_key(connection: Connection) -> bool:
    """Whether there is a key that is neither revoked nor expired."""
    listed = orm.call("list_api_keys").table_valued("revoked_at", "expires_at")
    usable = select(listed.c.revoked_at).where(
        listed.c.revoked_at.is_(None),
        or_(listed.c.expires_at.is_(None), listed.c.expires_at > func.now()),
    )
    return bool(connection.scalar(select(usable.exists())))


def _api_key(values: dict[str, Any]) -> ApiKey:
    granted = values.pop("collections")
    return ApiKey(
        scopes=frozenset(values.pop("scopes")),
        collections=None if granted is None else frozenset(granted),
        **values,
    )
