"""What a model's signature notices: each change of its folder that changes vectors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval import Signature
from retrieval.embedding import Kind, create_embedder


def signature(folder: Path, kind: Kind = "dense") -> Signature:
    return create_embedder(str(folder), kind=kind).signature


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def change_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    next(iter(weights.values())).add_(1)
    save_file(weights, file, {"format": "pt"})


def change_tokenizer(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", strip_accents=False)


def change_vocabulary(folder: Path) -> None:
    file = folder / "tokenizer.json"
    model = json.loads(file.read_text())["model"]
    vocabulary = model["vocab"]
    vocabulary["key"], vocabulary["cat"] = vocabulary["cat"], vocabulary["key"]
    edit(file, model=model)


def change_prompts(folder: Path) -> None:
    edit(folder / "config_sentence_transformers.json", prompts={"query": "", "document": "text: "})


def change_length(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", model_max_length=30)


def change_side(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", truncation_side="left")


def change_similarity(folder: Path) -> None:
    edit(folder / "config_sentence_transformers.json", similarity_fn_name="dot")


def change_pooling(folder: Path) -> None:
    edit(folder / "1_Pooling" / "config.json", pooling_mode="cls")


def leave_prompt_out(folder: Path) -> None:
    edit(folder / "1_Pooling" / "config.json", include_prompt=False)


def change_activation(folder: Path) -> None:
    edit(folder / "1_SpladePooling" / "config.json", activation_function="log1p_relu")


def change_active_dims(folder: Path) -> None:
    edit(folder / "config_sentence_transformers.json", max_active_dims=64)


def change_skipped_words(folder: Path) -> None:
    edit(folder / "2_MultiVectorMask" / "config.json", skiplist_words=["."])


def fill_queries_up(folder: Path) -> None:
    expansion = {"strategy": "fixed", "length": 12}
    edit(folder / "sentence_bert_config.json", query_expansion=expansion)


def drop_normalisation(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:-1]))


CHANGES: list[tuple[Kind, Callable[[Path], None], list[str]]] = [
    ("dense", change_weights, ["weights_sha256"]),
    ("dense", change_tokenizer, ["tokenizer_sha256"]),
    ("dense", change_vocabulary, ["tokenizer_sha256"]),
    ("dense", change_prompts, ["max_tokens", "prompts"]),
    ("dense", change_length, ["max_tokens"]),
    ("dense", change_side, ["truncation_side"]),
    ("dense", change_similarity, ["similarity"]),
    ("dense", change_pooling, ["pooling"]),
    ("dense", leave_prompt_out, ["pooling"]),
    ("sparse", change_weights, ["weights_sha256"]),
    ("sparse", change_tokenizer, ["tokenizer_sha256"]),
    ("sparse", change_activation, ["pooling"]),
    ("sparse", change_active_dims, ["options"]),
    ("multivector", change_weights, ["weights_sha256"]),
    ("multivector", change_tokenizer, ["tokenizer_sha256"]),
    ("multivector", change_skipped_words, ["options"]),
    ("multivector", fill_queries_up, ["options"]),
    ("multivector", drop_normalisation, ["normalised"]),
]


@pytest.fixture
def models(
    tiny_dense_model: Path, tiny_sparse_model: Path, tiny_multi_vector_model: Path
) -> dict[Kind, Path]:
    return {
        "dense": tiny_dense_model,
        "sparse": tiny_sparse_model,
        "multivector": tiny_multi_vector_model,
    }


@pytest.mark.parametrize(("kind", "change", "named"), CHANGES)
def test_a_change_is_noticed_and_named(
    models: dict[Kind, Path],
    kind: Kind,
    change: Callable[[Path], None],
    named: list[str],
    tmp_path: Path,
) -> None:
    copy = Path(shutil.copytree(models[kind], tmp_path / "copy"))
    change(copy)
    lines = signature(models[kind], kind).differences(signature(copy, kind))
    assert [line.partition(": ")[0] for line in lines] == named


def test_a_folder_that_moved_is_the_same_model(models: dict[Kind, Path], tmp_path: Path) -> None:
    for kind, folder in models.items():
        copy = Path(shutil.copytree(folder, tmp_path / kind))
        (copy / "README.md").write_text("Some words about the model.")
        moved = signature(copy, kind)
        assert moved.matches(signature(folder, kind)) and moved.model == str(copy)


def test_use_leaves_the_signature_as_it_is(models: dict[Kind, Path]) -> None:
    for kind, folder in models.items():
        used = create_embedder(str(folder), kind=kind)
        used.embed_documents(["key " * 50])
        used.embed_query("key")
        assert used.signature == signature(folder, kind)


def test_json_keeps_the_signature_of_a_model(models: dict[Kind, Path]) -> None:
    for kind, folder in models.items():
        made = signature(folder, kind)
        assert Signature.from_json(json.loads(json.dumps(made.to_json()))) == made
