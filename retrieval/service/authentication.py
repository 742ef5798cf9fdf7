"""Who asks: the API key of a request, verified.

argon2 is slow on purpose, so a key is hashed once: a digest of it, made with a key of this process,
is remembered beside the hash that it fitted. What the database says of the key (that it is revoked,
its scopes and grants) is asked again after REMEMBERED_SECONDS.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from retrieval import api_keys, database
from retrieval.api_keys import ApiKey, NewSecret, StoredKey
from retrieval.errors import RetrievalError
from retrieval.search import AsyncRetriever

REMEMBERED_SECONDS = 30
REMEMBERED_KEYS = 10_000
CONCURRENT_HASHES = 2
WAITING_HASHES = 64
FAILURES_PER_MINUTE = 20

logger = logging.getLogger("retrieval.service")


@dataclass(slots=True)
class _Known:
    """A key whose secret was right, and when the database was last asked about it."""

    stored: StoredKey
    digest: bytes = field(repr=False)
    asked_at: float = field(default_factory=time.monotonic)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    is_noted: bool = False

    def is_recent(self) -> bool:
        return time.monotonic() - self.asked_at < REMEMBERED_SECONDS


class Authentication:
    """Verifies keys, off the event loop.

    A few at a time, so that a flood of wrong ones leaves the processors to others.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._digest_key = secrets.token_bytes(32)
        self._hashing = asyncio.Semaphore(CONCURRENT_HASHES)
        # threads of its own: those of the event loop may be busy with models
        self._hashers = ThreadPoolExecutor(CONCURRENT_HASHES, "api-keys")
        self._waiting = 0
        self._failures = FixedWindowRateLimiter(MemoryStorage())
        self._failures_allowed = RateLimitItemPerMinute(FAILURES_PER_MINUTE)
        api_keys.nobodys_hash()

    async def verify(self, retriever: AsyncRetriever, key: str, address: str) -> ApiKey:
        """The key that a client at this address sent; 401 where it is not valid, or not any more.

        An unknown id and a wrong secret cannot be told apart, by the answer or by its time.
        """
        given = api_keys.parse_key(key)
        if given is None:
            raise _invalid()
        known = self._remembered(given)
        if known is None:
            known = await self._verify_secret(retriever, given, address)
        elif not known.is_recent():
            known = await self._ask_again(retriever, given, known, address)
        _check_current(known.stored.key)
        if not known.is_noted:
            known.is_noted = True
            await _record_use(retriever, known.stored.key)
        return known.stored.key

    def _remembered(self, given: NewSecret) -> _Known | None:
        known = self._known.get(given.api_key_id)
        if known is None or not hmac.compare_digest(known.digest, self._digest(given)):
            return None
        self._known.move_to_end(given.api_key_id)
        return known

    def _digest(self, given: NewSecret) -> bytes:
        return blake2b(given.key.encode("ascii"), key=self._digest_key, digest_size=32).digest()

    async def _verify_secret(
        self, retriever: AsyncRetriever, given: NewSecret, address: str
    ) -> _Known:
        self._check_failures(address)
        if self._waiting >= WAITING_HASHES:
            raise HTTPException(503, "too many keys are being verified", {"Retry-After": "1"})
        self._waiting += 1
        try:
            async with self._hashing:
                # while this one waited, the same key may have been verified, and others not
                known = self._remembered(given)
                if known is not None:
                    return known
                self._check_failures(address)
                stored = await _find(retriever, given.api_key_id)
                right = await self._is_right(given.secret, stored.key_hash if stored else None)
                if stored is None or not right:
                    self._failures.hit(self._failures_allowed, address)
                    raise _invalid()
                return self._remember(given, stored)
        finally:
            self._waiting -= 1

    async def _is_right(self, secret: SecretStr, key_hash: str | None) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hashers, api_keys.is_secret, secret, key_hash)

    def _check_failures(self, address: str) -> None:
        if not self._failures.test(self._failures_allowed, address):
            ends = self._failures.get_window_stats(self._failures_allowed, address).reset_time
            wait = max(1, round(ends - time.time()))
            raise HTTPException(
                429, "too many wrong API keys from this address", {"Retry-After": str(wait)}
            )

    async def _ask_again(
        self, retriever: AsyncRetriever, given: NewSecret, known: _Known, address: str
    ) -> _Known:
        async with known.asking:
            latest = self._remembered(given)
            if latest is not None and latest.is_recent():
                return latest  # another request asked
            stored = await _find(retriever, given.api_key_id)
            if stored is not None and stored.key_hash == known.stored.key_hash:
                return self._remember(given, stored)
            self._known.pop(given.api_key_id, None)
        return await self._verify_secret(retriever, given, address)

    def _remember(self, given: NewSecret, stored: StoredKey) -> _Known:
        known = _Known(stored, self._digest(given))
        self._known[given.api_key_id] = known
        self._known.move_to_end(given.api_key_id)
        while len(self._known) > REMEMBERED_KEYS:
            self._known.popitem(last=False)
        return known


async def announce_missing_key(retriever: AsyncRetriever) -> None:
    """Say how a key is created, where there is none that could be used."""
    with database.translate_errors():
        async with retriever.engine.connect() as connection:
            usable = await connection.run_sync(api_keys.any_usable_key)
    if not usable:
        logger.warning(
            "there is no API key yet; create one: "
            "retrieval keys create NAME --scope read --scope write"
        )


def unauthenticated(detail: str, error: str | None = None) -> HTTPException:
    """401, with the challenge of RFC 6750; a request without any key is told no error."""
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    return HTTPException(401, detail, {"WWW-Authenticate": challenge})


def _invalid(detail: str = "the API key is not valid") -> HTTPException:
    return unauthenticated(detail, "invalid_token")


def _check_current(key: ApiKey) -> None:
    """Only who has the right secret comes here, and may know why the key is refused."""
    if key.revoked_at is not None:
        raise _invalid("the API key was revoked")
    if key.is_expired():
        raise _invalid("the API key has expired")


async def _find(retriever: AsyncRetriever, api_key_id: str) -> StoredKey | None:
    with database.translate_errors():
        async with retriever.engine.connect() as connection:
            return await connection.run_sync(api_keys.find_api_key, api_key_id)


async def _record_use(retriever: AsyncRetriever, key: ApiKey) -> None:
    """Note the use of a key, once a minute; a request does not fail because that does."""
    used = key.last_used_at
    if used is not None and datetime.now(UTC) - used < timedelta(minutes=1):
        return
    try:
        with database.translate_errors():
            async with retriever.engine.begin() as connection:
                await connection.run_sync(api_keys.record_api_key_use, key.api_key_id)
    except RetrievalError as error:
        logger.warning("the use of API key %s was not noted: %s", key.api_key_id, error)
