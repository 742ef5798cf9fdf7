"""What makes two embedders comparable."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.embedding import Signature
from retrieval.embedding.weights import weights_sha256
from retrieval.errors import InvalidInput

SIGNATURE = Signature(
    model="maker/model",
    revision="c0ffee",
    weights_sha256="53aa5117" * 8,
    tokenizer_sha256="da0e7993" * 8,
    dimensions=384,
    max_tokens=254,
    truncation_side="right",
    pooling="mean",
    prompts={"query": "query: ", "document": ""},
    similarity="cosine",
    options={"max_nonzeros": 1000},
    library="sentence-transformers 6",
)


def test_json_keeps_everything() -> None:
    assert Signature.from_json(json.loads(json.dumps(SIGNATURE.to_json()))) == SIGNATURE


@pytest.mark.parametrize("wrong", [{"extra": 1}, {}])
def test_json_with_other_names_is_refused(wrong: dict[str, int]) -> None:
    data = {**SIGNATURE.to_json(), **wrong}
    if not wrong:
        del data["pooling"]
    with pytest.raises(InvalidInput, match="extra" if wrong else "pooling"):
        Signature.from_json(data)


def test_the_same_weights_under_another_name_match() -> None:
    assert SIGNATURE.matches(replace(SIGNATURE, model="/models/copy", revision=None))


@pytest.mark.parametrize("change", [{"model": "maker/other"}, {"revision": "decade"}])
def test_without_both_weights_the_name_and_revision_decide(change: dict[str, str]) -> None:
    remote = replace(SIGNATURE, weights_sha256=None)
    assert SIGNATURE.matches(remote)
    assert not SIGNATURE.matches(replace(remote, **change))
    assert not replace(remote, **change).matches(SIGNATURE)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "sparse"},
        {"weights_sha256": "91bc" * 16},
        {"tokenizer_sha256": "91bc" * 16},
        {"dimensions": 256},
        {"max_tokens": 126},
        {"truncation_side": "left"},
        {"pooling": "cls"},
        {"prompts": {"query": "", "document": ""}},
        {"normalised": False},
        {"similarity": "dot"},
        {"options": {}},
    ],
)
def test_whatever_else_changes_vectors_is_one_difference(change: dict[str, object]) -> None:
    (name,) = change
    (line,) = SIGNATURE.differences(replace(SIGNATURE, **change))
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize("unknown", [{"tokenizer_sha256": None}, {"library": "other 7"}])
def test_what_one_side_does_not_know_and_who_ran_it_makes_no_difference(
    unknown: dict[str, str | None],
) -> None:
    assert SIGNATURE.matches(replace(SIGNATURE, **unknown))
    assert replace(SIGNATURE, **unknown).matches(SIGNATURE)


def test_differences_show_ours_first_hashes_short_and_of_prompts_what_differs() -> None:
    prompts = {"query": "search: ", "document": ""}
    other = replace(SIGNATURE, weights_sha256="91bc0000" * 8, dimensions=256, prompts=prompts)
    assert SIGNATURE.differences(other) == [
        "weights_sha256: 53aa5117… ≠ 91bc0000…",
        "dimensions: 384 ≠ 256",
        "prompts: {'query': 'query: '} ≠ {'query': 'search: '}",
    ]


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_the_hash_of_one_weight_file_is_its_own(tmp_path: Path) -> None:
    _write(tmp_path / "model.safetensors", b"weights")
    _write(tmp_path / "pytorch_model.bin", b"the same weights in the older format")
    _write(tmp_path / "onnx" / "model.safetensors", b"an export")
    assert weights_sha256(tmp_path) == hashlib.sha256(b"weights").hexdigest()


def test_the_hash_covers_the_modules_and_follows_changes(tmp_path: Path) -> None:
    modules = [{"path": ""}, {"path": "2_Dense"}]
    _write(tmp_path / "modules.json", json.dumps(modules).encode())
    _write(tmp_path / "pytorch_model.bin", b"weights")
    _write(tmp_path / "2_Dense" / "model.safetensors", b"dense")
    before = weights_sha256(tmp_path)
    assert before == hashlib.sha256(b"dense" + b"weights").hexdigest()
    _write(tmp_path / "2_Dense" / "model.safetensors", b"other dense")
    assert weights_sha256(tmp_path) != before


def test_the_hash_covers_the_modules_of_routes(tmp_path: Path) -> None:
    _write(tmp_path / "modules.json", json.dumps([{"path": ""}]).encode())
    _write(tmp_path / "router_config.json", json.dumps({"types": {"query_0": ""}}).encode())
    _write(tmp_path / "query_0" / "model.safetensors", b"table")
    assert weights_sha256(tmp_path) == hashlib.sha256(b"table").hexdigest()


def test_a_folder_without_weights_has_no_hash(tmp_path: Path) -> None:
    assert weights_sha256(tmp_path) is None
