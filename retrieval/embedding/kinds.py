"""The kinds of embeddings there are, and which of them a stored model makes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from retrieval.errors import InvalidInput, ModelUnavailable

Kind = Literal["dense", "sparse", "multivector"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# What can be loaded: the kinds, and what embeds nothing but scores pairs of texts.
ModelKind = Kind | Literal["cross-encoder"]

# What sentence-transformers and, as ColBERT, PyLate write into config_sentence_transformers.json.
KINDS_OF_TYPES = {
    "SentenceTransformer": "dense",
    "SparseEncoder": "sparse",
    "MultiVectorEncoder": "multivector",
    "ColBERT": "multivector",
    "CrossEncoder": "cross-encoder",
}

# Returns the path of one of a model's files, None where the model has no such file.
FindFile = Callable[[str], str | Path | None]


def checked_kind(kind: str) -> Kind:
    """Return a kind as it is; InvalidInput for anything else."""
    for known in KINDS:
        if kind == known:
            return known
    raise InvalidInput(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")


def refuse_other_kinds(kind: ModelKind, find: FindFile) -> None:
    """Raise ModelUnavailable for a model that is known to be of another kind.

    The library would load it all the same and put random weights where the model has none.
    """
    stored = stored_kinds(find)
    if kind in stored or (kind == "dense" and not stored):
        return
    if "cross-encoder" in stored:
        raise ModelUnavailable("it holds a cross-encoder, which scores pairs and embeds nothing")
    if not stored:
        raise ModelUnavailable(f"it holds no {kind} model")
    if kind == "cross-encoder":
        raise ModelUnavailable(f"it holds a {stored[0]} model, which embeds and scores no pairs")
    raise ModelUnavailable(f"it holds a {stored[0]} model, which kind={stored[0]!r} opens")


def stored_kinds(find: FindFile) -> tuple[str, ...]:
    """Return what a model can be opened as without weights of its own making, the best first.

    Nothing for files that tell nothing; `cross-encoder` for a model that makes no embeddings.
    """
    declared = _json(find("config_sentence_transformers.json"), {}).get("model_type")
    if declared is not None:
        return (KINDS_OF_TYPES.get(declared, declared),)
    modules = _json(find("modules.json"), [])
    if modules:
        late = any(module["type"].startswith("pylate.") for module in modules)
        return ("multivector",) if late else ("dense",)
    return _kinds_of_transformer(_json(find("config.json"), {}).get("architectures") or [])


def _kinds_of_transformer(architectures: list[str]) -> tuple[str, ...]:
    """A transformer alone: its tokens' mean is dense, its language model's logits are sparse."""
    for name in architectures:
        if name == "HF_ColBERT" or name.endswith("ForRetrieval"):
            return ("multivector",)
        if name.endswith("ForSequenceClassification"):
            return ("cross-encoder",)
        if name.endswith("ForMaskedLM"):
            return ("dense", "sparse")
    return ("dense",) if architectures else ()


def _json(file: str | Path | None, default: Any) -> Any:
    return json.loads(Path(file).read_text("utf-8")) if file else default
