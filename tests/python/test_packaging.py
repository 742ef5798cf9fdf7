"""The wheel brings migrations and SQL along, and works where nothing of the checkout is."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Server

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = "from retrieval.cli import main; main()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel; skipped where its build tool cannot be had."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--quiet", "-w", folder],
        capture_output=True,
        text=True,
    )
    if "hatchling" in built.stderr and "No matching distribution" in built.stderr:
        pytest.skip("no package index to get hatchling from")
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_migrations_sql_and_the_page(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("migrations", "sql"):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert f"retrieval/{file.relative_to(ROOT).as_posix()}" in names
    for file in (ROOT / "retrieval" / "service" / "page").rglob("*.*"):
        assert file.relative_to(ROOT).as_posix() in names
    assert "retrieval/py.typed" in names
    assert all(name.startswith(("retrieval/", "retrieval-")) for name in names)


def test_the_installed_wheel_works_anywhere(wheel: Path, server: Server, tmp_path: Path) -> None:
    """Also against a database that another process prepared; no name of ours is left to import."""
    if server.version < 18:
        pytest.skip("once is enough")
    packages, empty = tmp_path / "packages", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    name = server.create_database()
    environment = os.environ | {
        "PYTHONPATH": str(packages),
        "RETRIEVAL_DATABASE_URL": server.url(name),
        "RETRIEVAL_MODEL": "hashing",
    }

    def start(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "was created" in start(PROGRAM, "init")
    assert start(PROGRAM, "collections", "--json") == "[]\n"
    origin = "import retrieval.database as d; d.head_revision(); print(d.__file__)"
    path = "import sys; print([each for each in sys.path if each.endswith('retrieval')])"
    module, folders = start(f"{origin}; {path}").splitlines()
    assert Path(module).is_relative_to(packages) and folders == "[]"
    server.drop_database(name)
