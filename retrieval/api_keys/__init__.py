"""Keys to the HTTP service: what they are, their secrets, and where they are stored."""

from retrieval.api_keys.api_key import ApiKey, Scope
from retrieval.api_keys.secret import (
    NewSecret,
    hash_secret,
    is_secret,
    new_secret,
    nobodys_hash,
    parse_key,
)
from retrieval.api_keys.store import (
    StoredKey,
    any_usable_key,
    create_api_key,
    find_api_key,
    list_api_keys,
    record_api_key_use,
    revoke_api_key,
)

__all__ = [
    "ApiKey",
    "NewSecret",
    "Scope",
    "StoredKey",
    "any_usable_key",
    "create_api_key",
    "find_api_key",
    "hash_secret",
    "is_secret",
    "list_api_keys",
    "new_secret",
    "nobodys_hash",
    "parse_key",
    "record_api_key_use",
    "revoke_api_key",
]
