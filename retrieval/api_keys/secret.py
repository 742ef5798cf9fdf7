"""A key as its holder has it: `retrieval_<id>_<secret>`, and the hash that is stored of it.

The id is public and finds the key; the secret has 256 random bits and is known to its holder alone.
Both are one word to whoever selects by a double click, and one pattern to whoever scans for leaks.
"""

import base64
import re
import secrets
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

_KEY = re.compile(r"retrieval_([a-z2-7]{12})_([0-9a-f]{64})")
_SECRET_BYTES = 32

# OWASP's parameters for argon2id: 19 MiB and some 20 ms. More would slow down what a password needs
# slowed down, guesses; nobody guesses 256 random bits.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class NewSecret(NamedTuple):
    """What a new key consists of."""

    api_key_id: str
    secret: SecretStr

    @property
    def key(self) -> str:
        """The key as its holder gets it, once."""
        return f"retrieval_{self.api_key_id}_{self.secret.get_secret_value()}"


def new_secret() -> NewSecret:
    """An id and a secret that nobody has had before."""
    identifier = base64.b32encode(secrets.token_bytes(8))[:12].decode("ascii").lower()
    return NewSecret(identifier, SecretStr(secrets.token_hex(_SECRET_BYTES)))


def parse_key(key: str) -> NewSecret | None:
    """The parts of a key; None where it has not the form of one."""
    found = _KEY.fullmatch(key)
    return NewSecret(found[1], SecretStr(found[2])) if found else None


def hash_secret(secret: SecretStr) -> str:
    """What is stored of a secret: its argon2id hash with salt and parameters."""
    return _HASHER.hash(secret.get_secret_value())


@cache
def nobodys_hash() -> str:
    """What a secret for no key is compared with: that takes as long as with a key's."""
    return hash_secret(new_secret().secret)


def is_secret(secret: SecretStr, key_hash: str | None) -> bool:
    """Whether the hash is of this secret; without one it takes the same time to say no."""
    try:
        verified = _HASHER.verify(key_hash or nobodys_hash(), secret.get_secret_value())
    except (VerificationError, InvalidHashError):
        return False
    return verified and key_hash is not None
