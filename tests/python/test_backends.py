"""Faster backends: the same vectors by other libraries, exported once; int8 is apart."""

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval import Document, InvalidInput, ModelUnavailable, Retriever, SpaceMismatch
from retrieval.embedding import BACKENDS, Backend, Kind, backend, create_embedder, exports
from retrieval.embedding.sentence_transformers import SentenceTransformerEmbedder

TEXTS = ["rotate the key", "bread and butter " * 9, "", "every month"] * 9
INSTALLED = [
    each
    for each in BACKENDS
    if all(map(importlib.util.find_spec, backend.PACKAGES[backend.library_of(each)]))
]
EXACT = {"torch", "onnx", "openvino"}


def needs(chosen: str) -> None:
    if chosen not in INSTALLED:
        pytest.skip(f"the packages of backend {chosen} are not installed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that the tests of the module share, as an export takes a while."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def data_directory(exported: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RETRIEVAL_DATA_DIRECTORY", str(exported))
    monkeypatch.delenv("RETRIEVAL_BACKEND", raising=False)
    yield exported


def cosines(chosen: Backend, model: Path, **options: int) -> np.ndarray:
    """Between the vectors of a backend and those of PyTorch."""
    vectors = [
        create_embedder(str(model), backend=each, **options).embed_documents(TEXTS)
        for each in (chosen, "torch")
    ]
    assert vectors[0].dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors[0], axis=1), 1, atol=1e-4)
    return np.sum(vectors[0] * vectors[1], axis=1)


@pytest.mark.parametrize("chosen", BACKENDS[1:])
def test_a_backend_computes_the_same_vectors(
    tiny_dense_model: Path, chosen: Backend, capfd: pytest.CaptureFixture[str]
) -> None:
    needs(chosen)
    least = 1 - 1e-5 if chosen in EXACT else 0.99
    found = cosines(chosen, tiny_dense_model)
    assert found.min() > least
    if chosen in ("torch-bfloat16", "onnx-int8"):  # or it is not what its name says
        assert found.min() < 1 - 1e-6
    assert cosines(chosen, tiny_dense_model, dimensions=8).min() > least
    ours, theirs = (
        create_embedder(str(tiny_dense_model), backend=each) for each in (chosen, "torch")
    )
    assert ours.count_tokens("rotate it") == theirs.count_tokens("rotate it")
    assert ours.signature.matches(theirs.signature) == (chosen != "onnx-int8")
    assert np.dot(ours.embed_query("the key"), theirs.embed_query("the key")) > least
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("chosen", "kind"), [("onnx", "sparse"), ("openvino", "multivector")])
def test_other_kinds(
    chosen: str, kind: Kind, tiny_sparse_model: Path, tiny_multi_vector_model: Path
) -> None:
    needs(chosen)
    model = str(tiny_sparse_model if kind == "sparse" else tiny_multi_vector_model)
    faster = create_embedder(model, kind=kind, backend=chosen)
    slower = create_embedder(model, kind=kind, backend="torch")
    assert faster.signature == slower.signature
    for text in TEXTS[:4]:
        ours, theirs = faster.embed_query(text), slower.embed_query(text)
        if kind == "sparse":
            ours, theirs = ours.to_numpy(), theirs.to_numpy()
        assert np.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("chosen", ["onnx", "onnx-int8", "openvino"])
def test_it_is_exported_once(
    tiny_dense_model: Path, data_directory: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(chosen)
    before = {file for file in tiny_dense_model.rglob("*")}
    create_embedder(str(tiny_dense_model), backend=chosen).embed_query("key")
    files = {file: file.stat().st_mtime_ns for file in (data_directory / "models").rglob("*")}
    create_embedder(str(tiny_dense_model), backend=chosen).embed_query("key")
    after = {file: file.stat().st_mtime_ns for file in (data_directory / "models").rglob("*")}
    assert after == files and all(not file.name.startswith(".") for file in files)
    assert {file for file in tiny_dense_model.rglob("*")} == before


@pytest.mark.parametrize("chosen", INSTALLED)
def test_several_threads(tiny_dense_model: Path, chosen: str) -> None:
    embedder = create_embedder(str(tiny_dense_model), backend=chosen)
    expected = [embedder.embed_query(text) for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(embedder.embed_query, TEXTS))
    assert np.allclose(found, expected, atol=1e-5)


def test_a_space_of_int8_is_its_own(
    database_url: str, tiny_dense_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx-int8")
    model = str(tiny_dense_model)
    for name in ("torch", "onnx-int8"):
        with Retriever.open(
            database_url, embedder=create_embedder(model, backend=name)
        ) as retriever:
            retriever.create_collection(name)
            retriever.ingest(name, Document("k", "rotate the key"))
    with (
        Retriever.open(database_url, embedder=create_embedder(model, backend="torch")) as given,
        pytest.raises(SpaceMismatch, match="int8"),
    ):
        given.search("onnx-int8", "key")
    # whatever the settings say, each space gets what fits it
    for chosen in ("torch", "onnx", "onnx-int8"):
        monkeypatch.setenv("RETRIEVAL_BACKEND", chosen)
        with Retriever.open(database_url) as retriever:
            for name in ("torch", "onnx-int8"):
                (hit,) = retriever.search(name, "rotate the key", legs=["semantic"])
                assert hit.document_key == "k"


# What goes wrong


def test_a_backend_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match=r"backend must be one of torch, .* not 'tensorflow'"):
        create_embedder(backend="tensorflow")
    monkeypatch.setenv("RETRIEVAL_BACKEND", "fast")
    with pytest.raises(InvalidInput, match=r"RETRIEVAL_BACKEND must be one of .* not 'fast'"):
        create_embedder("anything")


def test_a_device_that_a_backend_does_not_use() -> None:
    with pytest.raises(InvalidInput, match=r"backend onnx computes on the CPU, not on .*'cuda'"):
        SentenceTransformerEmbedder(device="cuda", backend="onnx")


@pytest.mark.parametrize("chosen", ["onnx", "openvino"])
def test_missing_packages(
    tiny_dense_model: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(exports.PACKAGES, chosen, ("there_is_no_such",))
    with pytest.raises(ModelUnavailable) as caught:
        create_embedder(str(tiny_dense_model), backend=chosen).embed_query("key")
    message = str(caught.value)
    assert message.endswith(f"there_is_no_such missing: pip install 'retrieval[{chosen}]'")
    assert f"cannot be run with backend {chosen}" in message


def test_an_export_that_cannot_be_kept(
    tiny_dense_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETRIEVAL_DATA_DIRECTORY", str(tmp_path / "file"))
    with pytest.raises(ModelUnavailable, match=r"cannot be kept in .*set RETRIEVAL_DATA_DIRECTORY"):
        create_embedder(str(tiny_dense_model), backend="onnx").embed_query("key")


def test_an_export_that_computes_something_else(
    tiny_dense_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    faster = pytest.importorskip("retrieval.embedding.faster")
    monkeypatch.setattr(faster, "_onnx", lambda *_: lambda inputs: np.ones((3, 18, 32), np.float32))
    monkeypatch.setattr(faster, "CHECKED", ["key " * 16] * 3)
    with pytest.raises(ModelUnavailable, match="its export computes other vectors"):
        create_embedder(str(tiny_dense_model), backend="onnx").embed_query("key")


def test_an_interrupted_export_leaves_nothing(tmp_path: Path) -> None:
    def stopped(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETRIEVAL_DATA_DIRECTORY", str(tmp_path))
        with pytest.raises(KeyboardInterrupt):
            exports.exported("name", ["half"], stopped)
        assert list((tmp_path / "models").iterdir()) == []
        # another process is faster
        made = exports.exported("name", ["whole"], lambda folder: (folder / "whole").touch())

        def slower(folder: Path) -> None:
            (folder / "other").touch()

        assert exports.exported("name", ["other"], slower) == made
        assert [file.name for file in made.iterdir()] == ["whole"]
