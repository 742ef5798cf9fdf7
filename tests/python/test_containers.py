"""What docker-compose.yml and the Dockerfile name exists, and no secret is written in them."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url
from typer.main import get_command

from retrieval.cli import app
from retrieval.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
OURS = [name for name, service in SERVICES.items() if "build" in service]
PINNED = re.compile(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")


def instructions(name: str) -> Iterator[str]:
    """The arguments of each such instruction of the Dockerfile."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    yield from re.findall(rf"^(?:HEALTHCHECK .*)?{name} (.+)$", joined, re.MULTILINE)


def environment() -> Iterator[tuple[str, str]]:
    """The variables of every service."""
    for service in SERVICES.values():
        yield from service.get("environment", {}).items()


def test_services_are_there() -> None:
    assert sorted(SERVICES) == ["database", "schema", "service", "worker"]
    assert sorted(OURS) == ["schema", "service", "worker"]


def test_every_setting_exists() -> None:
    fields = {f"RETRIEVAL_{name.upper()}" for name in Settings.model_fields}
    used = {name for name, _ in environment() if name.startswith("RETRIEVAL_")}
    assert used and used <= fields
    assert set(re.findall(r"RETRIEVAL_\w+", DOCKERFILE)) <= fields


def test_every_command_exists() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    given = [SERVICES[name]["command"] for name in OURS if "command" in SERVICES[name]]
    for program, command, *_ in [*given, *map(yaml.safe_load, instructions("CMD"))]:
        assert program in ("retrieval", "python") and (program == "python" or command in commands)


def test_no_secret_is_written_down() -> None:
    for name, value in environment():
        if "PASSWORD" in name or "KEY" in name:
            assert name.endswith("_FILE") and value.startswith("/run/secrets/")
        if value.startswith("postgresql://"):
            assert make_url(value).password is None
    declared = COMPOSE["secrets"]
    for service in SERVICES.values():
        files = {Path(value).name for value in service["environment"].values() if "/run/" in value}
        assert files <= set(service["secrets"]) <= set(declared)
    assert all(set(each) == {"file"} for each in declared.values())
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {Path(each["file"]).parts[0] + "/" for each in declared.values()} <= set(ignored)


def test_service_and_worker_are_no_superuser() -> None:
    for name in ("service", "worker"):
        url = make_url(SERVICES[name]["environment"]["RETRIEVAL_DATABASE_URL"])
        assert url.username == "retrieval"
        assert "postgres_password" not in SERVICES[name]["secrets"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged") and service.get("network_mode") != "host"
    if name in OURS:
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
    for published in service.get("ports", []):
        assert published.startswith("127.0.0.1:")
    for mounted in service.get("volumes", []):
        source = mounted.partition(":")[0]
        known = (
            (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
        )
        assert known, mounted


def test_what_waits_for_what_can_come() -> None:
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            condition = wanted["condition"]
            assert condition != "service_healthy" or "healthcheck" in SERVICES[name]
            ends = SERVICES[name].get("restart") == "no"
            assert (condition == "service_completed_successfully") == ends


def test_images_are_pinned() -> None:
    bases = [each.partition(" AS ")[0] for each in instructions("FROM")]
    assert len(bases) == 2 and len(set(bases)) == 1
    for image in [*bases, *(SERVICES[name]["image"] for name in SERVICES if name not in OURS)]:
        assert PINNED.fullmatch(image), image


def test_the_image_runs_as_a_user_and_says_how_it_is() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    (user,) = re.findall(r"^USER (\S+)$", final, re.MULTILINE)
    assert user.isdecimal() and int(user) > 0
    assert "/readyz" in final and "pip" not in final and "apt-get" not in final


def test_the_build_finds_what_it_copies() -> None:
    let_through = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for each in instructions("COPY")
        if not each.startswith("--from")
        for source in each.split()[:-1]
    }
    assert copied == let_through
    assert all((ROOT / each).exists() for each in copied)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (asked,) = re.findall(r'"\.\[(.+?)\]"', DOCKERFILE)
    assert set(asked.split(",")) <= set(extras["optional-dependencies"])
