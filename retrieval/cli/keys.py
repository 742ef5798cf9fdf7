"""`retrieval keys …`: who may use the service, and what for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from retrieval import api_keys, database
from retrieval.api_keys import ApiKey, Scope
from retrieval.cli.durations import duration
from retrieval.cli.options import DatabaseUrl, Json
from retrieval.cli.output import errors, print_json, print_table, say, table
from retrieval.search import Retriever

app = typer.Typer(
    help="Keys to the service: create, list, revoke.",
    no_args_is_help=True,
)


@contextmanager
def _transaction(database_url: str | None) -> Iterator[Connection]:
    with (
        Retriever.open(database_url) as retriever,
        database.translate_errors(),
        retriever.engine.begin() as connection,
    ):
        yield connection


def _expiry(text: str) -> datetime:
    return datetime.now(UTC) + duration(text)


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for; for people.")],
    scope: Annotated[
        list[Scope],
        typer.Option(help="What it may do; several times for several. None includes another."),
    ] = [Scope.READ],  # noqa: B006
    collection: Annotated[
        list[str] | None,
        typer.Option(
            help="A collection it may use; several times for several. Without, all of them.",
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(help="The tenant it reads and writes for.", show_default=False),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(
            parser=_expiry,
            metavar="TIME",
            help="When it ends, from now: 12h, 90d, 52w. Without, never.",
            show_default=False,
        ),
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(help="The most requests a minute. Without, any number.", show_default=False),
    ] = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Create a key and print it, the only time that it can be seen."""
    new = api_keys.new_secret()
    with _transaction(database_url) as connection:
        api_keys.create_api_key(
            connection,
            new.api_key_id,
            api_keys.hash_secret(new.secret),
            name,
            scopes=scope,
            collections=collection or None,
            tenant=tenant or "",
            requests_per_minute=requests_per_minute,
            expires_at=expires,
        )
    if json:
        print_json({"api_key_id": new.api_key_id, "name": name, "key": new.key})
    else:
        print(new.key)
        errors.print("keep it now: only its hash is stored, and it cannot be shown again")


@app.command("list")
def list_keys(database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List the keys, oldest first; never their secrets."""
    with _transaction(database_url) as connection:
        keys = api_keys.list_api_keys(connection)
    if json:
        print_json([_as_dictionary(key) for key in keys])
    elif keys:
        _print_keys(keys)
    else:
        errors.print("there are no keys")


@app.command("revoke")
def revoke_key(
    api_key_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="Its id: in the list, and the key's middle part."),
    ],
    database_url: DatabaseUrl = None,
) -> None:
    """End a key for good; running services learn of it within 30 seconds."""
    with _transaction(database_url) as connection:
        since = api_keys.revoke_api_key(connection, api_key_id)
    say(f"key {api_key_id} is revoked since {_time(since)}")


def _print_keys(keys: list[ApiKey]) -> None:
    listed = table(
        "id", "name", "scopes", "collections", "tenant", "a minute", "state", "created", "last used"
    )
    for key in keys:
        rate = key.requests_per_minute
        listed.add_row(
            key.api_key_id,
            key.name,
            ", ".join(_scopes(key)),
            "all" if key.collections is None else ", ".join(sorted(key.collections)) or "none",
            key.tenant or "-",
            "-" if rate is None else str(rate),
            _state(key),
            _time(key.created_at),
            _time(key.last_used_at),
        )
    print_table(listed)


def _as_dictionary(key: ApiKey) -> dict[str, Any]:
    return {
        "api_key_id": key.api_key_id,
        "name": key.name,
        "scopes": _scopes(key),
        "collections": None if key.collections is None else sorted(key.collections),
        "tenant": key.tenant,
        "requests_per_minute": key.requests_per_minute,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _scopes(key: ApiKey) -> list[str]:
    return [scope for scope in Scope if scope in key.scopes]


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_time(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.is_expired() else 'valid until'} {_time(key.expires_at)}"


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
