"""The command line: exit code 0 done, 1 failed with one line, 2 wrong usage; never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from command_line import SECRET, Run

from retrieval.database import head_revision, normalise_url
from tests.conftest import Server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three texts and a picture, as the current one."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "keys.md").write_text("# Keys\n\nRotate a key every month.")
    (docs / "backups.txt").write_text("Copy the backups to another place.")
    (docs / "umlauts.txt").write_text("Über Äpfel.", encoding="utf-8")
    (docs / "picture.png").write_bytes(b"\x89PNG")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# init


def test_init_creates_then_finds_the_schema(cli: Run, empty_database_url: str) -> None:
    revision = head_revision()
    first = cli("init", "--database-url", empty_database_url)
    assert (first.code, first.err) == (0, "")
    assert first.out == f"schema retrieval was created (revision {revision})\n"
    second = cli("init", "--database-url", empty_database_url)
    assert second.out == f"schema retrieval is up to date (revision {revision})\n"


def test_init_of_a_newer_schema(command: Run, database_url: str) -> None:
    with psycopg.connect(database_url) as session:
        session.execute("update retrieval.alembic_version set version_num = '9999_future'")
    assert "upgrade this package" in command("init").error


def test_init_without_the_right_to(cli: Run, server: Server, empty_database_url: str) -> None:
    server.execute("drop role if exists guest")
    server.execute(f"create role guest login password '{SECRET}'")
    url = empty_database_url.replace("postgres:@", f"guest:{SECRET}@")
    assert "permission denied" in cli("init", "--database-url", url).error


# ingest


def test_ingest_stores_skips_and_replaces(command: Run, folder: Path) -> None:
    first = command("ingest", "handbook", "docs")
    assert first.code == 0
    assert first.out == (
        "3 added, 0 updated, 0 unchanged, 0 failed; 3 chunks written; "
        "1 files of other kinds skipped\n"
    )
    (folder / "docs" / "keys.md").write_text("# Keys\n\nBurn them.")
    report = command("ingest", "handbook", "docs", "docs/keys.md", "--json").json
    assert report == {
        "added": 0,
        "updated": 1,
        "unchanged": 2,
        "pruned": 0,
        "skipped": 1,
        "chunks": 1,
        "changes": [],
        "failures": [],
        "warnings": [],
    }
    hits = command("search", "handbook", "rotate", "--leg", "keyword", "--json").json
    assert hits == []


def test_ingest_reports_what_failed_and_stores_the_rest(command: Run, folder: Path) -> None:
    (folder / "binary.md").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    (folder / "nul.md").write_bytes(b"a\0b")
    (folder / "latin.txt").write_bytes("Äpfel sind reif".encode("latin-1"))
    (folder / "empty").mkdir()
    paths = ["binary.md", "nul.md", "latin.txt", "empty", "missing.md", "/proc/self/mem", "docs"]
    result = command("ingest", "handbook", *paths)
    assert result.code == 1
    assert result.out.startswith("4 added, 0 updated, 0 unchanged, 5 failed; 4 chunks written")
    failures = [line for line in result.err.splitlines() if line.startswith("failed: ")]
    assert len(failures) == 5
    reasons = dict(line.removeprefix("failed: ").split(": ", 1) for line in failures)
    assert reasons.keys() == set(paths) - {"docs", "latin.txt"}
    assert reasons["missing.md"] == "does not exist"
    assert reasons["/proc/self/mem"] == "cannot be read (input/output error)"
    assert "NUL" in reasons["binary.md"] and "NUL" in reasons["nul.md"]
    assert "no files of a known kind" in reasons["empty"]
    assert len(command("search", "handbook", "key backups äpfel", "--json").json) == 4


def test_ingest_of_many_kinds_of_files(command: Run, folder: Path) -> None:
    (folder / "kinds").mkdir()
    (folder / "kinds" / "a.html").write_text("<title>Page</title><p>Walruses swim.</p>")
    (folder / "kinds" / "b.csv").write_text("id;text\nrow;Otter schwimmen gern im Fluss umher.\n")
    (folder / "kinds" / "c.py").write_text("def swim(): pass\n")
    result = command("ingest", "handbook", "kinds", "--detect-language")
    assert result.out == "3 added, 0 updated, 0 unchanged, 0 failed; 3 chunks written\n"
    found = command("search", "handbook", "schwimme", "--leg", "keyword", "--json").json
    assert [(each["document_key"], each["metadata"]["language"]) for each in found] == [
        ("row", "de")
    ]


def test_ingest_reports_failures_as_json(command: Run, folder: Path) -> None:
    result = command("ingest", "handbook", "missing.md", "docs", "--json")
    assert result.code == 1 and result.json["added"] == 3
    assert result.json["failures"] == [{"source": "missing.md", "reason": "does not exist"}]


def test_ingest_of_an_unusable_collection(command: Run, folder: Path) -> None:
    assert "collection name 'a/b' is not usable" in command("ingest", "a/b", "docs").error
    assert "klingon" in command("ingest", "c", "docs", "--text-config", "klingon").error
    assert "number of dimensions" in command("ingest", "c", "docs", "--model", "hashing:x").error
    assert "/no/model" in command("ingest", "c", "docs", "--model", "/no/model").error
    assert command("collections", "--json").json == []


def test_an_existing_collection_keeps_its_model(
    command: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("ingest", "handbook", "docs")
    monkeypatch.setenv("RETRIEVAL_MODEL", "hashing:32")
    assert command("ingest", "handbook", "docs").code == 0
    assert command("search", "handbook", "key").code == 0


# search


@pytest.fixture
def filled(command: Run, folder: Path) -> Run:
    """Runs a command on a database whose collection handbook holds the folder."""
    assert command("ingest", "handbook", "docs").code == 0
    return command


def test_search_shows_the_best(filled: Run) -> None:
    result = filled("search", "handbook", "rotate a key", "-n", "2")
    lines = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert lines[0].startswith("1. Keys  docs/keys.md  ")
    assert "(keyword 1, semantic 1)" in lines[0]
    assert "Rotate a key every month." in lines[1]
    assert lines[2].startswith("2. ")


def test_search_as_json(filled: Run) -> None:
    hits = filled("search", "handbook", "rotate a key", "--json").json
    assert hits[0]["document_key"] == "docs/keys.md"
    assert hits[0]["keyword_rank"] == 1 and hits[0]["metadata"]["type"] == "markdown"


def test_search_with_a_filter(filled: Run) -> None:
    chosen = filled("search", "handbook", "key", "--filter", '{"type": "text"}', "--json").json
    assert {each["metadata"]["type"] for each in chosen} == {"text"}


@pytest.mark.parametrize("query", ["", "  ", "the of and", "zebras", "-key"])
def test_search_may_find_nothing(filled: Run, query: str) -> None:
    result = filled("search", "handbook", "--leg", "keyword", "--", query)
    assert (result.code, result.out, result.err) == (0, "", "nothing found\n")
    assert filled("search", "handbook", "--leg", "keyword", "--json", "--", query).json == []


@pytest.mark.parametrize(
    "query", ['"rotate a', "rotate ')(&|!:*", "rotate \udcff", "rotate " + "word " * 1000]
)
def test_search_takes_any_query(filled: Run, query: str) -> None:
    hits = filled("search", "handbook", query, "--leg", "keyword", "--json").json
    assert [each["document_key"] for each in hits] == ["docs/keys.md"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere", "key"], "collection nowhere does not exist"),
        (["handbook", "key", "-n", "0"], "max_results must be between 1 and"),
        (["handbook", "key", "-n", "-1"], "max_results must be between 1 and"),
        (["handbook", "key", "-n", "1000000"], "max_results must be between 1 and"),
        (["handbook", "key", "-n", "99999999999"], "out of range"),
        (["handbook", "key", "--leg", "smell"], "not 'smell'"),
        (["handbook", "key", "--filter", "{"], "--filter is not JSON"),
        (["handbook", "key", "--filter", "[\n1]"], "--filter must be a JSON object"),
        (["handbook", "key", "--filter", '{"a": {"$near": 1}}'], "$near"),
        (["handbook", "key", "--filter", '{"a": NaN}'], "JSON"),
        (["hand\udcffbook", "key"], "UTF-8"),
    ],
)
def test_search_fails_in_one_line(filled: Run, arguments: list[str], named: str) -> None:
    assert named in filled("search", *arguments).error


# collections, sql, doctor


def test_collections_are_listed(command: Run, folder: Path) -> None:
    assert command("collections").err.startswith("there is no collection yet")
    assert command("collections", "--json").json == []
    command("ingest", "handbook", "docs")
    assert command("collections", "--json").json == [
        {
            "name": "handbook",
            "text_config": "english",
            "documents": 3,
            "chunks": 3,
            "space": "hashing",
            "model": "hashing",
            "dimensions": 64,
            "chunking": None,
            "ranking": None,
            "field_weights": None,
        }
    ]
    assert "handbook" in command("collections").out


def test_sql_is_the_whole_schema(cli: Run, server: Server, empty_database_url: str) -> None:
    """psql takes it, and init then finds nothing to do. No server is needed to print it."""
    printed = cli("sql")
    assert (printed.code, printed.err) == (0, "")
    psql = [server.binaries / "psql", "-Xqv", "ON_ERROR_STOP=1", "-d", empty_database_url]
    subprocess.run(psql, input=printed.out, text=True, check=True, capture_output=True)
    assert "is up to date" in cli("init", "--database-url", empty_database_url).out


def test_doctor_of_a_healthy_database(filled: Run) -> None:
    result = filled("doctor")
    assert (result.code, result.err) == (0, "")
    assert all(line.startswith("ok ") for line in result.out.splitlines())
    subjects = [each["subject"] for each in filled("doctor", "--json").json]
    assert subjects == [
        "server",
        "pgvector",
        "schema",
        "collection handbook",
        "space hashing of handbook",
    ]


def test_doctor_finds_wrong_statistics_and_its_advice_helps(filled: Run, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute(
            "delete from retrieval.lexeme_statistics where lexeme in ('rotat', 'backup')"
        )
        result = filled("doctor", "--json")
        assert result.code == 1
        (finding,) = [each for each in result.json if each["level"] != "ok"]
        assert finding["message"] == "the statistics of 2 lexemes are wrong"
        session.execute(finding["advice"].removeprefix("run: "))
    assert filled("doctor").code == 0


def test_doctor_finds_missing_embeddings_and_indexes(filled: Run, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        (index,) = session.execute(
            "select relname from pg_class where relname ~ '^embeddings_.*_index$'"
        ).fetchone() or ("",)
        session.execute(f"drop index retrieval.{index}")
        (finding,) = [each for each in filled("doctor", "--json").json if each["level"] != "ok"]
        session.execute(finding["advice"].removeprefix("run: "))
        assert filled("doctor").code == 0
        session.execute("delete from retrieval.embeddings")
    warned = filled("doctor")
    advice = "retrieval spaces fill handbook hashing"
    assert warned.code == 0 and f"chunks lack embeddings; run: {advice}" in warned.out
    filled(*advice.split()[1:])
    assert "warning" not in filled("doctor").out


def test_doctor_of_a_database_without_the_schema(cli: Run, empty_database_url: str) -> None:
    result = cli("doctor", "--database-url", empty_database_url)
    assert result.code == 1
    assert "pgvector: not installed; run: retrieval init" in result.out
    assert "schema: the database has no retrieval schema; run: retrieval init" in result.out


def test_doctor_finds_an_old_pgvector(command: Run, database_url: str) -> None:
    with psycopg.connect(database_url) as session:
        session.execute("update pg_extension set extversion = '0.7' where extname = 'vector'")
    result = command("doctor")
    assert result.code == 1 and "pgvector: 0.7; 0.8 or newer is needed" in result.out


# Databases that cannot be used


@pytest.mark.parametrize(
    "arguments",
    [["init"], ["doctor"], ["collections"], ["search", "c", "q"], ["ingest", "c", "docs"]],
    ids=lambda arguments: arguments[0],
)
def test_no_database(cli: Run, folder: Path, arguments: list[str]) -> None:
    url = f"postgresql://user:{SECRET}@127.0.0.1:1/d"
    error = cli(*arguments, "--database-url", url).error
    assert error.startswith("PostgreSQL cannot be reached: ") and "refused" in error
    error = cli(*arguments, "--database-url", f"mysql://user:{SECRET}@host/d").error
    assert "mysql" in error


def test_no_schema(cli: Run, folder: Path, empty_database_url: str) -> None:
    for arguments in (["collections"], ["search", "c", "q"], ["ingest", "c", "docs"]):
        error = cli(*arguments, "--database-url", empty_database_url).error
        assert error == "the database has no retrieval schema; run: retrieval init"


def test_an_embedded_server_that_cannot_start(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RETRIEVAL_DATA_DIRECTORY", str(tmp_path / "file"))
    assert "the embedded PostgreSQL did not start" in cli("collections").error


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["search"],
        ["search", "handbook"],
        ["search", "handbook", "key", "--nonsense"],
        ["search", "handbook", "key", "-n", "many"],
        ["ingest", "handbook"],
        ["init", "extra"],
    ],
)
def test_wrong_usage(cli: Run, arguments: list[str]) -> None:
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage: retrieval" in result.err


def test_every_command_explains_itself(cli: Run) -> None:
    shown = cli("--help").out
    for name in ("demo", "init", "ingest", "search", "collections", "serve", "doctor", "sql"):
        assert name in shown
        assert cli(name, "--help").code == 0


def test_as_a_process(
    server: Server, database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output and errors are apart, also where the terminal is none and knows ASCII only."""
    environment = os.environ | {
        "RETRIEVAL_MODEL": "hashing",
        "RETRIEVAL_DATABASE_URL": database_url,
        "LC_ALL": "C",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
    }
    program = "import sys; from retrieval.cli import main; main()"

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    stored = start("ingest", "handbook", "docs", "missing.md")
    assert stored.returncode == 1
    assert stored.stdout.startswith("3 added")
    assert stored.stderr.splitlines()[-1] == "failed: missing.md: does not exist"
    found = start("search", "handbook", "äpfel", "--json")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)[0]["content"] == "Über Äpfel."
    database = normalise_url(database_url).database
    failed = start("search", "handbook", "x", "--database-url", server.url(f"{database}_not"))
    assert failed.returncode == 1 and len(failed.stderr.splitlines()) == 1
    assert failed.stdout == "" and "does not exist" in failed.stderr
