"""A retriever or a command line on a database of its own, and models that a session builds once."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_models
from command_line import SECRET, Result, Run

from retrieval import HashingEmbedder, Retriever
from retrieval.cli import main


@pytest.fixture
def retriever(database_url: str) -> Iterator[Retriever]:
    """An open retriever whose database holds the empty collection `handbook`."""
    with Retriever.open(database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("handbook")
        yield opened


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, through the entry point."""
    monkeypatch.setenv("RETRIEVAL_MODEL", "hashing")
    monkeypatch.delenv("RETRIEVAL_DATABASE_URL", raising=False)
    monkeypatch.setenv("RETRIEVAL_DATA_DIRECTORY", "/nowhere/that/can/be")

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["retrieval", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err and SECRET not in captured.out + captured.err
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def command(cli: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a migrated database."""
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", database_url)
    return cli


@pytest.fixture(scope="session")
def tiny_dense_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SentenceTransformer."""
    return tiny_models.build_dense(tmp_path_factory.mktemp("dense"))


@pytest.fixture(scope="session")
def tiny_sparse_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SparseEncoder."""
    return tiny_models.build_sparse(tmp_path_factory.mktemp("sparse"))


@pytest.fixture(scope="session")
def tiny_routed_sparse_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SparseEncoder that computes nothing for a query."""
    return tiny_models.build_routed_sparse(tmp_path_factory.mktemp("routed_sparse"))


@pytest.fixture(scope="session")
def tiny_multi_vector_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a MultiVectorEncoder."""
    return tiny_models.build_multi_vector(tmp_path_factory.mktemp("multi_vector"))


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SentenceTransformer that embeds texts and images."""
    return tiny_models.build_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def tiny_cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a CrossEncoder."""
    return tiny_models.build_cross_encoder(tmp_path_factory.mktemp("cross_encoder"))
