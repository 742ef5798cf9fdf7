"""The code blocks of the README and the pages run, in their order, as a reader would run them."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Server
from tests.docs.commands import commands

README = Path(__file__).resolve().parents[2] / "README.md"
DOCS = README.parent / "docs"
# pages whose blocks a test of their own runs, of every language
RUN_WHOLE = ("spaces.md", "recommendations.md", "orm.md", "evaluation.md")
BLOCK = re.compile(r"^```(sh|sql|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(language: str, block: str, folder: Path, server: Server) -> str:
    programs = {
        "sh": ["bash", "-euo", "pipefail", "-m", "-c", block],
        "python": [sys.executable, "-c", block],
        "sql": [str(server.binaries / "psql"), "-X", "-v", "ON_ERROR_STOP=1", "-c", block],
    }
    command = programs[language]
    if language == "sql":
        command.append(os.environ["RETRIEVAL_DATABASE_URL"])
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def is_available(url: str, extension: str) -> bool:
    with psycopg.connect(url) as connection:
        offered = "select from pg_available_extensions where name = %s"
        return connection.execute(offered, [extension]).fetchone() is not None


def test_blocks_run(
    server: Server, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.version != 18:
        pytest.skip("once is enough")
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    blocks = BLOCK.findall(
        README.read_text(encoding="utf-8")
        .replace(":8000", f":{(port := free_port())}")
        .replace("--port 8000", f"--port {port}")
    )
    has_curl = shutil.which("curl") is not None  # without it the tests of the service have to do
    runnable = [each for each in blocks if has_curl or "curl" not in each[1]]
    outputs = [run(language, block, tmp_path, server) for language, block in runnable]
    assert [language for language, _ in blocks].count("sql") == 3
    assert "handbook/keys.md" in outputs[0]
    assert all("handbook/keys.md" in output for output in outputs[1:3])
    assert "security" in outputs[3]
    if has_curl:
        assert '"document_key":"handbook/keys.md"' in outputs[4].replace(" ", "")


@pytest.fixture
def page_database(
    server: Server, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """The server, with a migrated database that every block of a page uses."""
    if server.version != 18:
        pytest.skip("once is enough")
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", database_url)
    with tempfile.TemporaryDirectory() as folder, commands(Path(folder)):
        places = f"{folder}:{Path(sys.executable).parent}"
        monkeypatch.setenv("PATH", f"{places}:{os.environ['PATH']}")
        yield server


def run_page(name: str, folder: Path, server: Server) -> list[str]:
    blocks = BLOCK.findall((DOCS / name).read_text("utf-8"))
    assert {language for language, _ in blocks} == {"sh", "sql", "python"}
    return [run(language, block, folder, server) for language, block in blocks]


def test_blocks_about_spaces_run(page_database: Server, tmp_path: Path) -> None:
    outputs = run_page("spaces.md", tmp_path, page_database)
    assert outputs[0].startswith("160 added") and "hnsw" in outputs[0]
    printed = "".join(outputs)
    for said in ("overlap@10", "is active again", "carried over", "judged queries", "chosen"):
        assert said in printed
    assert (tmp_path / "tuning-handbook-hashing.png").stat().st_size > 0


def test_blocks_about_recommendations_run(page_database: Server, tmp_path: Path) -> None:
    outputs = run_page("recommendations.md", tmp_path, page_database)
    assert "8 chunks embedded" in outputs[1]
    best = ["Dunas", "Bergruh", "Bergruh", "Dunas", "Terminal One"]
    for output, recommended in zip(outputs[2:-1], best, strict=True):
        first_row = output.partition("-\n")[2]
        assert first_row.strip().startswith(recommended)
    assert outputs[-1].startswith("Dunas 190")


def test_blocks_about_sqlalchemy_run(
    page_database: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: the page is one program."""
    monkeypatch.setenv("RETRIEVAL_MODEL", "hashing")
    names: dict[str, object] = {"__name__": "orm"}
    for language, block in BLOCK.findall((DOCS / "orm.md").read_text("utf-8")):
        assert language == "python"
        exec(compile(block, "orm.md", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Anorak 120.0") and "Parka" in said[1]
    assert said[4] == "['Anorak']"


def test_blocks_about_evaluation_run(
    page_database: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python in this process, as it is one program."""
    printed = []
    for language, block in BLOCK.findall((DOCS / "evaluation.md").read_text("utf-8")):
        if language == "python":
            exec(compile(block, "evaluation.md", "exec"), {"__name__": "evaluation"})
            printed.append(capsys.readouterr().out)
        else:
            printed.append(run(language, block, tmp_path, page_database))
    assert printed[1].startswith("words 1.0 ")
    assert "words" in printed[2] and "{keys,lunch}" in printed[2]
    assert len(printed) == 4


def test_the_guide_names_every_function(page_database: Server) -> None:
    page = (DOCS / "sql.md").read_text("utf-8")
    with psycopg.connect(os.environ["RETRIEVAL_DATABASE_URL"]) as connection:
        public = connection.execute(
            "select proname from pg_proc where pronamespace = 'retrieval'::regnamespace"
            " and proname !~ '^_'"
        )
        missing = {name for (name,) in public if not re.search(rf"\b{name}\b", page)}
    assert missing == set()


@pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))
    missing = {link for link in links if not (page.parent / link).exists()}
    assert missing == set()


def test_every_page_is_listed() -> None:
    listed = set(re.findall(r"\]\(docs/(\w+\.md)\)", README.read_text("utf-8")))
    assert {page.name for page in DOCS.glob("*.md")} <= listed


# of these pages the other blocks need a model, a server or a key
@pytest.mark.parametrize(
    "page",
    sorted(set(DOCS.glob("*.md")) - {DOCS / name for name in RUN_WHOLE}),
    ids=lambda page: page.stem,
)
def test_sql_of_a_page_runs(
    server: Server, database_url: str, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", database_url)
    blocks = [
        block for language, block in BLOCK.findall(page.read_text("utf-8")) if language == "sql"
    ]
    assert blocks
    for block in blocks:
        # the embedded server comes without PostgreSQL's contrib modules
        if "unaccent" not in block or is_available(database_url, "unaccent"):
            run("sql", block, tmp_path, server)
