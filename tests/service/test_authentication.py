"""Every request shows a key, and gets what the key is for and nothing else."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from issued_keys import bearer, issue, key_id, refusal
from pydantic import SecretStr
from serving import serving
from sqlalchemy import text
from test_problems import assert_problem

from retrieval import AsyncRetriever, CollectionSummary, HashingEmbedder, api_keys
from retrieval.database import open_async_engine
from retrieval.service import authentication, create_app, database_roles

COLLECTIONS = "/v1/collections"
SEARCH = "/v1/collections/handbook/search"
DESCRIPTION = create_app().openapi()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DESCRIPTION["paths"].items()
    for method, operation in item.items()
}
CLOSED = [name for name, (_, _, operation) in OPERATIONS.items() if "security" in operation]
NAMED = [name for name in CLOSED if "{name}" in OPERATIONS[name][1]]


class Service(httpx.Client):
    """A client of a service with keys, and the collections `handbook` and `payroll`."""

    database_url: str
    app: FastAPI

    def issue(self, *scopes: str, **rest: Any) -> str:
        return issue(self.database_url, *scopes, **rest)

    def ask(self, key: str | None, path: str = COLLECTIONS) -> httpx.Response:
        return self.get(path, headers=bearer(key) if key else {})

    def call(self, operation_id: str, key: str | None, name: str = "handbook") -> httpx.Response:
        """Call an operation with a body that it may well refuse."""
        method, path, operation = OPERATIONS[operation_id]
        filled = re.sub(r"{\w+}", "1", path.replace("{name}", name))
        body = _body(operation.get("requestBody", {}).get("content", {}))
        return self.request(method, filled, headers=bearer(key) if key else {}, **body)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


def _body(content: dict[str, Any]) -> dict[str, Any]:
    """A body of a type that the operation takes."""
    if "application/json" in content:
        return {"json": {}}
    if "multipart/form-data" in content:
        return {"files": {"files": ("a.txt", b"a")}}
    return {"content": b""} if content else {}


def scope_of(operation_id: str) -> str:
    (scope,) = OPERATIONS[operation_id][2]["security"][0]["api_key"]
    return str(scope)


@pytest.fixture(scope="module")
def service(module_database_url: str) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RETRIEVAL_DATABASE_URL", module_database_url)
        environment.setenv("RETRIEVAL_AUTHENTICATION", "keys")
        environment.setenv("RETRIEVAL_MODEL", "hashing")
        app = create_app()
        with serving(app) as client, Service(base_url=client.base_url, timeout=30) as service:
            service.database_url, service.app = module_database_url, app
            admin = bearer(service.issue("admin"))
            for name in ("handbook", "payroll"):
                created = service.post(COLLECTIONS, json={"name": name}, headers=admin)
                assert created.status_code == 201, created.text
            yield service


@pytest.fixture(scope="module")
def reader(service: Service) -> str:
    return service.issue("read")


def test_a_key_is_asked_for(service: Service) -> None:
    answer = service.ask(None)
    assert "Authorization: Bearer" in assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("operation_id", CLOSED)
def test_every_operation_asks_for_one(service: Service, operation_id: str) -> None:
    assert_problem(service.call(operation_id, None), 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v2/collections", "//v1/collections"])
def test_a_path_that_is_not_known_to_be_open_is_closed(service: Service, path: str) -> None:
    assert_problem(service.get(path), 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs"])
def test_open_paths(service: Service, path: str) -> None:
    assert service.get(path).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_valid_key(service: Service, reader: str, scheme: str) -> None:
    answer = service.get(COLLECTIONS, headers={"Authorization": scheme + reader})
    assert answer.status_code == 200


@pytest.mark.parametrize("scheme", ["Basic ", "", "Bearer", "Token "])
def test_another_scheme(service: Service, reader: str, scheme: str) -> None:
    answer = service.get(COLLECTIONS, headers={"Authorization": scheme + reader})
    assert_problem(answer, 401, "unauthenticated")


def test_two_keys_are_none(service: Service, reader: str) -> None:
    headers = [("Authorization", f"Bearer {reader}")] * 2
    assert_problem(service.get(COLLECTIONS, headers=headers), 401, "unauthenticated")


@pytest.mark.parametrize("place", ["params", "cookies"])
def test_a_key_in_another_place(service: Service, reader: str, place: str) -> None:
    request = service.build_request("GET", COLLECTIONS)
    if place == "params":
        request.url = request.url.copy_merge_params({"api_key": reader})
    else:
        request.headers["Cookie"] = f"Authorization=Bearer {reader}"
    assert_problem(service.send(request), 401, "unauthenticated")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The hashes that secrets are compared with, as it happens."""
    compared: list[str | None] = []
    is_secret = api_keys.is_secret

    def recorded(secret: SecretStr, key_hash: str | None) -> bool:
        compared.append(key_hash)
        return is_secret(secret, key_hash)

    monkeypatch.setattr(api_keys, "is_secret", recorded)
    return compared


def test_a_wrong_secret_and_an_unknown_id_are_the_same(
    service: Service, reader: str, hashed: list[str | None]
) -> None:
    other = "0" if reader[-1] != "0" else "1"
    wrong = service.ask(reader[:-1] + other)
    assert assert_problem(wrong, 401, "unauthenticated") == "the API key is not valid"
    assert wrong.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    unknown = service.ask(api_keys.new_secret().key)
    assert refusal(unknown) == refusal(wrong)
    assert len(hashed) == 2 and hashed[1] is None  # the work is the same
    assert service.ask(reader).status_code == 200


@pytest.mark.parametrize(
    "key", ["s3cr3t", "retrieval_", "retrieval_abcdefghij27_" + "0" * 63, "ä" * 87, "%00"]
)
def test_what_is_no_key_costs_nothing(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "_find", None)
    header = {"Authorization": f"Bearer {key}".encode()}
    assert_problem(service.get(COLLECTIONS, headers=header), 401, "unauthenticated")


def test_a_revoked_key(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    key = service.issue("read")
    assert service.ask(key).status_code == 200
    service.execute(f"select retrieval.revoke_api_key('{key_id(key)}')")
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 0)
    for _ in range(2):
        assert assert_problem(service.ask(key), 401, "unauthenticated") == "the API key was revoked"


def test_one_request_asks_again_for_all(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    key = service.issue("read")
    asked = []
    find = authentication._find

    async def recorded(retriever: AsyncRetriever, api_key_id: str) -> api_keys.StoredKey | None:
        asked.append(api_key_id)
        return await find(retriever, api_key_id)

    async def verify() -> None:
        verifying = authentication.Authentication()
        async with AsyncRetriever(open_async_engine(service.database_url)) as retriever:
            await verifying.verify(retriever, key, "")
            verifying._known[key_id(key)].asked_at -= authentication.REMEMBERED_SECONDS
            await asyncio.gather(*[verifying.verify(retriever, key, "") for _ in range(12)])

    monkeypatch.setattr(authentication, "_find", recorded)
    asyncio.run(verify())
    assert asked == [key_id(key)] * 2


def test_a_key_expires_at_its_time_though_it_is_remembered(service: Service) -> None:
    key = service.issue("read", expires_at=datetime.now(UTC) + timedelta(seconds=2))
    assert service.ask(key).status_code == 200
    while (answer := service.ask(key)).status_code == 200:
        pass
    assert assert_problem(answer, 401, "unauthenticated") == "the API key has expired"


def test_only_the_right_secret_learns_that_a_key_has_expired(service: Service) -> None:
    key = service.issue("read")
    service.execute(
        f"update retrieval.api_keys set expires_at = now() where api_key_id = '{key_id(key)}'"
    )
    assert "expired" in assert_problem(service.ask(key), 401, "unauthenticated")
    guessed = f"retrieval_{key_id(key)}_{'0' * 64}"
    assert "not valid" in assert_problem(service.ask(guessed), 401, "unauthenticated")


def test_a_key_that_was_deleted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    key = service.issue("read")
    assert service.ask(key).status_code == 200
    service.execute(f"delete from retrieval.api_keys where api_key_id = '{key_id(key)}'")
    assert service.ask(key).status_code == 200  # for as long as it is remembered
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 0)
    assert "not valid" in assert_problem(service.ask(key), 401, "unauthenticated")


def test_a_secret_is_hashed_once(
    service: Service, hashed: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = service.issue("read")
    assert [service.ask(key).status_code for _ in range(3)] == [200] * 3
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 0)
    assert service.ask(key).status_code == 200
    assert len(hashed) == 1


def test_the_last_use_is_noted(service: Service) -> None:
    key = service.issue("read")
    service.ask(key)
    with psycopg.connect(service.database_url) as connection:
        used = "select last_used_at from retrieval.list_api_keys() where api_key_id = %s"
        assert connection.execute(used, [key_id(key)]).fetchone() != (None,)


@pytest.mark.parametrize("operation_id", CLOSED)
def test_no_scope_includes_another(service: Service, operation_id: str) -> None:
    needed = scope_of(operation_id)
    others = sorted({"read", "write", "admin"} - {needed})
    answer = service.call(operation_id, shared_key(service, *others))
    assert needed in assert_problem(answer, 403, "forbidden")
    challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
    assert answer.headers["www-authenticate"] == challenge
    assert service.call(operation_id, shared_key(service, needed), "nobody").status_code < 500
    assert service.call(operation_id, shared_key(service, needed), "nobody").status_code != 403


def shared_key(service: Service, *scopes: str, collections: list[str] | None = None) -> str:
    """A key with these scopes, the same each time."""
    keys: dict[Any, str] = service.app.state.__dict__.setdefault("test_keys", {})
    wanted = (scopes, tuple(collections or ()))
    if wanted not in keys:
        keys[wanted] = service.issue(*scopes, collections=collections)
    return keys[wanted]


@pytest.mark.parametrize("operation_id", [name for name in NAMED if scope_of(name) != "admin"])
def test_a_collection_that_is_not_granted_is_not_there(service: Service, operation_id: str) -> None:
    """Whatever is sent: with a body that could be used the answer is not another one either."""
    key = shared_key(service, "read", "write", collections=["handbook"])
    hidden = service.call(operation_id, key, "payroll")
    detail = assert_problem(hidden, 404, "not-found")
    assert detail == "collection payroll does not exist"
    status, headers, problem = refusal(service.call(operation_id, key, "nobody_s"))
    told = str((status, {**headers, "content-length": ""}, problem)).replace("nobody_s", "payroll")
    _, headers, problem = refusal(hidden)
    assert told == str((404, {**headers, "content-length": ""}, problem))


def test_a_granted_collection(service: Service) -> None:
    key = service.issue("read", "write", collections=["handbook"])
    document = "/v1/collections/handbook/documents/a"
    assert service.put(document, json={"content": "keys"}, headers=bearer(key)).status_code == 201
    found = service.post(SEARCH, json={"query": "keys"}, headers=bearer(key)).json()
    assert [hit["document_key"] for hit in found["hits"]] == ["a"]


def test_a_judgement_has_the_name_of_its_key(service: Service) -> None:
    key = bearer(service.issue("read", "write"))
    handbook = "/v1/collections/handbook"
    assert service.put(f"{handbook}/documents/a", json={"content": "keys"}, headers=key).is_success
    made = service.post(f"{handbook}/golden-sets", json={"name": "default"}, headers=key)
    assert made.status_code == 201, made.text
    judgements = f"{handbook}/golden-sets/default/judgements"
    body = {"judgements": [{"query_text": "keys", "document_key": "a", "grade": 2}]}
    other = service.put(judgements, json={**body, "judge": "another"}, headers=key)
    assert "judge" in assert_problem(other, 422, "invalid-input")
    assert service.put(judgements, json=body, headers=key).status_code == 200
    (stored,) = service.get(judgements, headers=key).json()["judgements"]
    assert stored["judge"] == "test"


def test_only_granted_collections_are_listed(service: Service, reader: str) -> None:
    def listed(key: str) -> list[str]:
        return [each["name"] for each in service.ask(key).json()["collections"]]

    assert listed(reader) == ["handbook", "payroll"]
    assert listed(service.issue("read", collections=["payroll"])) == ["payroll"]


def test_a_key_outlives_its_collection_and_is_for_none_then(service: Service) -> None:
    admin = bearer(service.issue("admin"))
    assert service.post(COLLECTIONS, json={"name": "old"}, headers=admin).status_code == 201
    key = service.issue("read", collections=["old"])
    assert service.delete(f"{COLLECTIONS}/old", headers=admin).status_code == 204
    assert service.ask(key).json() == {"collections": []}
    assert_problem(service.ask(key, f"{COLLECTIONS}/handbook/documents/a"), 404, "not-found")


def test_a_rate_is_counted_for_each_key(service: Service, reader: str) -> None:
    key = service.issue("read", requests_per_minute=2)
    assert [service.ask(key).status_code for _ in range(3)] == [200, 200, 429]
    limited = service.ask(key)
    detail = assert_problem(limited, 429, "too-many-requests")
    assert detail == "the API key may make 2 requests a minute"
    assert 1 <= int(limited.headers["retry-after"]) <= 60
    assert service.ask(reader).status_code == 200


def test_a_body_is_not_read_before_the_key(service: Service) -> None:
    answer = service.post(SEARCH, content=b"{", headers={"content-type": "text/plain"})
    assert_problem(answer, 401, "unauthenticated")


def test_secrets_are_nowhere_to_be_seen(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    key = service.issue("read")
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 0)
    answers = [service.ask(key), service.ask(f"{key[:-4]}abcd"), service.ask(key, "/v1/nothing")]
    secret = key.split("_")[2][:32]
    assert all(secret not in answer.text for answer in answers)
    assert secret not in caplog.text
    remembered = repr(service.app.state.authentication._known)
    assert key_id(key) in remembered and secret not in remembered and "argon2" not in remembered
    assert secret not in repr(api_keys.parse_key(key))


# without a server: what is decided before or beside the routes


class Where(AsyncRetriever):
    """Lists one collection, whose name and model are the tenant and the user of its transaction."""

    async def collections(self, **_: object) -> list[CollectionSummary]:  # type: ignore[override]
        async with self._connection(None) as connection:
            asked = text("select current_setting('retrieval.tenant', true), current_user")
            tenant, user = (await connection.execute(asked)).one()
        return [CollectionSummary(f"tenant {tenant}", "english", 0, 0, None, user, None, None)]


@pytest.fixture
def within(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[httpx.Response]]:
    """Asks an application of the test's own, over the service's database."""
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "keys")

    def asked(*keys: str, together: bool = False) -> list[httpx.Response]:
        async def ask() -> list[httpx.Response]:
            engine = open_async_engine(service.database_url)
            async with Where(engine, embedder=HashingEmbedder()) as retriever:
                transport = httpx.ASGITransport(create_app(retriever), client=("10.1.2.3", 1))
                async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
                    calls = [client.get(COLLECTIONS, headers=bearer(key)) for key in keys]
                    if together:
                        return [*await asyncio.gather(*calls)]
                    return [await call for call in calls]

        return asyncio.run(ask())

    return asked


def where(answer: httpx.Response) -> tuple[str, str]:
    (listed,) = answer.json()["collections"]
    return listed["name"], listed["model"]


def test_a_tenant_arrives_in_the_transaction(
    service: Service, within: Callable[..., list[httpx.Response]]
) -> None:
    acme, nobody = within(service.issue("read", tenant="acme"), service.issue("read"))
    assert where(acme)[0] == "tenant acme"
    assert where(nobody)[0] == "tenant "


def test_a_role_is_taken_where_there_is_one(
    service: Service,
    within: Callable[..., list[httpx.Response]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roles = {"read": "only_reads", "write": "not_there"}
    monkeypatch.setattr(database_roles, "_ROLES", roles)
    (answer,) = within(service.issue("read"))
    assert where(answer)[1] == "postgres"
    service.execute("create role only_reads")
    try:
        (answer,) = within(service.issue("read"))
    finally:
        service.execute("drop role only_reads")
    assert where(answer)[1] == "only_reads"


def test_an_address_that_guesses_is_kept_away(
    reader: str, within: Callable[..., list[httpx.Response]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "FAILURES_PER_MINUTE", 3)
    guesses = [api_keys.new_secret().key for _ in range(5)]
    answers = within(reader, *guesses, reader)
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401, 429, 429, 200]
    assert_problem(answers[4], 429, "too-many-requests")
    assert 1 <= int(answers[4].headers["retry-after"]) <= 60
    # a key that was not seen before waits as well
    assert [answer.status_code for answer in within(*guesses[:3], reader)][-1] == 429


def test_a_flood_of_keys_is_bounded(
    reader: str, within: Callable[..., list[httpx.Response]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "WAITING_HASHES", 4)
    guesses = [api_keys.new_secret().key for _ in range(8)]
    answers = within(*guesses, together=True)
    assert sorted({answer.status_code for answer in answers}) == [401, 503]
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert_problem(busy, 503, "overloaded")
    assert busy.headers["retry-after"] == "1"


def test_the_same_new_key_many_times_at_once(
    service: Service, within: Callable[..., list[httpx.Response]], hashed: list[str | None]
) -> None:
    answers = within(*[service.issue("read")] * 10, together=True)
    assert {answer.status_code for answer in answers} == {200}
    assert len(hashed) <= authentication.CONCURRENT_HASHES


def test_a_database_that_is_not_there(reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "keys")

    async def ask() -> httpx.Response:
        app = create_app(AsyncRetriever(open_async_engine("postgresql://secret@127.0.0.1:1/a")))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            return await client.get(COLLECTIONS, headers=bearer(reader))

    assert "secret" not in assert_problem(asyncio.run(ask()), 503, "database-unavailable")


def test_a_service_says_how_its_first_key_is_made(
    service: Service, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def announce(url: str) -> None:
        async with AsyncRetriever(open_async_engine(url)) as retriever:
            await authentication.announce_missing_key(retriever)

    asyncio.run(announce(service.database_url))
    assert "retrieval keys create" not in caplog.text
    asyncio.run(announce(database_url))
    assert "retrieval keys create NAME --scope read" in caplog.text
