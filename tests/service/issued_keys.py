"""Makes API keys as `retrieval keys create` does, and asks with them."""

from datetime import datetime

import httpx

from retrieval import api_keys
from retrieval.database import transaction


def issue(
    database_url: str,
    *scopes: str,
    collections: list[str] | None = None,
    tenant: str = "",
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Store a key; returns it as its holder has it."""
    new = api_keys.new_secret()
    with transaction(database_url) as connection:
        api_keys.create_api_key(
            connection,
            new.api_key_id,
            api_keys.hash_secret(new.secret),
            "test",
            scopes=scopes or ["read"],
            collections=collections,
            tenant=tenant,
            requests_per_minute=requests_per_minute,
            expires_at=expires_at,
        )
    return new.key


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


def key_id(key: str) -> str:
    """The public part of a key."""
    return key.split("_")[1]


def refusal(answer: httpx.Response) -> tuple[object, ...]:
    """All of an answer that could tell one refusal from another."""
    own = ("date", "x-request-id")
    same = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, same, {**answer.json(), "request_id": None}
