"""`retrieval keys …`, and who may serve without any."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from command_line import Run

from retrieval import Retriever, api_keys
from retrieval.database import transaction


@pytest.fixture
def keys(command: Run, database_url: str) -> Run:
    """Runs `retrieval keys …` on a database with the collections `a` and `b`."""
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("a")
        retriever.create_collection("b")
    return lambda *arguments: command("keys", *arguments)


def test_a_key_is_created_used_listed_and_revoked(keys: Run, database_url: str) -> None:
    created = keys(
        *("create", "website", "--scope", "read", "--scope", "write", "--collection", "b"),
        *("--tenant", "acme", "--expires", "90d", "--requests-per-minute", "600"),
    )
    assert created.code == 0 and "cannot be shown again" in created.err
    given = api_keys.parse_key(created.out.removesuffix("\n"))
    assert given is not None
    with transaction(database_url) as connection:
        stored = api_keys.find_api_key(connection, given.api_key_id)
    assert stored is not None and api_keys.is_secret(given.secret, stored.key_hash)

    (listed,) = keys("list", "--json").json
    expiry = datetime.fromisoformat(listed["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < expiry <= timedelta(days=90)
    assert datetime.fromisoformat(listed["created_at"]) <= datetime.now(UTC)
    assert listed | {"expires_at": None, "created_at": None} == {
        "api_key_id": given.api_key_id,
        "name": "website",
        "scopes": ["read", "write"],
        "collections": ["b"],
        "tenant": "acme",
        "requests_per_minute": 600,
        "created_at": None,
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
    }
    revoked = keys("revoke", given.api_key_id)
    assert revoked.out.startswith(f"key {given.api_key_id} is revoked since 20")
    assert keys("revoke", given.api_key_id).out == revoked.out
    (row,) = keys("list").out.splitlines()[1:]
    for cell in (given.api_key_id, "website", "read, write", "b", "acme", "600", "revoked 20"):
        assert cell in row
    assert given.secret.get_secret_value() not in keys("list").out + keys("list", "--json").out


def test_without_options_a_key_reads_everything(keys: Run) -> None:
    created = keys("create", "reader", "--json").json
    assert api_keys.parse_key(created["key"]).api_key_id == created["api_key_id"]  # type: ignore[union-attr]
    (listed,) = keys("list", "--json").json
    assert (listed["name"], listed["scopes"], listed["collections"]) == ("reader", ["read"], None)
    assert (listed["tenant"], listed["expires_at"]) == ("", None)
    assert " all " in keys("list").out


def test_no_keys(keys: Run) -> None:
    listed = keys("list")
    assert (listed.code, listed.out, listed.err) == (0, "", "there are no keys\n")
    assert keys("list", "--json").json == []


FAILING = {
    ("create", "k", "--collection", "c"): "collection c does not exist",
    ("create", "k", "--scope", "admin", "--tenant", "acme"): "no tenant",
    ("create", "k", "--scope", "admin", "--collection", "a"): "for all collections",
    ("create", "k", "--requests-per-minute", "0"): "requests_per_minute must be between",
    ("create", ""): "key name '' is not usable",
    ("revoke", "retrieval_abcdefghij27_s3cr3t"): "no API key has this id",
}


def test_what_fails_leaves_no_key(keys: Run) -> None:
    for arguments, message in FAILING.items():
        failed = keys(*arguments)
        assert message in failed.error and "s3cr3t" not in failed.err
    assert keys("list", "--json").json == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("create",),
        ("create", "k", "--scope", "owner"),
        ("create", "k", "--expires", "tomorrow"),
        ("create", "k", "--expires", "0d"),
        ("create", "k", "--requests-per-minute", "many"),
        ("revoke",),
    ],
)
def test_wrong_usage(cli: Run, arguments: tuple[str, ...]) -> None:
    assert cli("keys", *arguments).code == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "search.example", "192.168.1.2"])
@pytest.mark.parametrize("way", ["option", "setting"])
def test_without_authentication_only_loopback_is_served(
    cli: Run, monkeypatch: pytest.MonkeyPatch, host: str, way: str
) -> None:
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "off" if way == "setting" else "keys")
    options = ["--no-authentication"] if way == "option" else []
    served = cli("serve", "--host", host, *options)
    assert (served.code, served.out) == (2, "")
    (line,) = served.err.splitlines()
    assert line.startswith("error: without authentication") and line.endswith(f"not on {host}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_without_authentication_on_loopback(
    cli: Run, database_url: str, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("RETRIEVAL_AUTHENTICATION", "keys")
    served: list[Any] = []
    monkeypatch.setattr("retrieval.service.server.run_server", lambda *given: served.append(given))
    options = ("--database-url", database_url, "--host", host)
    assert cli("serve", *options, "--no-authentication").code == 0
    ((app, served_host, _),) = served
    assert app.state.authentication is None and served_host == host


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETRIEVAL_CORS_ORIGINS", '["*"]'),
        ("RETRIEVAL_CORS_ORIGINS", "https://app.example"),
        ("RETRIEVAL_AUTHENTICATION", "none"),
    ],
)
def test_a_setting_that_cannot_be_used(
    cli: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert name.removeprefix("RETRIEVAL_").lower() in cli("serve").error.lower()


def test_with_authentication_anything_is_served(
    cli: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETRIEVAL_AUTHENTICATION", raising=False)
    served: list[Any] = []
    monkeypatch.setattr("retrieval.service.server.run_server", lambda *given: served.append(given))
    assert cli("serve", "--database-url", database_url, "--host", "0.0.0.0").code == 0
    ((app, *_),) = served
    assert app.state.authentication is not None
