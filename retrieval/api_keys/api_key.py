"""What a key is, its secret aside."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do; none includes another."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key to the service: who it is, and what it may do."""

    api_key_id: str
    name: str
    scopes: frozenset[str]
    collections: frozenset[str] | None
    """Their names; None where the key is for all of them."""
    tenant: str
    """What it reads and writes belongs to this tenant; "" is what belongs to none."""
    requests_per_minute: int | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime | None = None
    """Known of a listed key."""

    def allows(self, collection: str) -> bool:
        """Whether the key is for this collection."""
        return self.collections is None or collection in self.collections

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)
