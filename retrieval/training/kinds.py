"""The kinds of models that can be trained, and the classes of the library that train them."""

import importlib.util
from functools import partial
from typing import Any, Literal, get_args

from retrieval.embedding.kinds import Kind, stored_kinds
from retrieval.embedding.loading import load_encoder
from retrieval.embedding.locate import DEFAULT_MODEL, Location, locate, one_line
from retrieval.embedding.quiet import quiet
from retrieval.errors import ConfigurationError, InvalidInput, ModelUnavailable
from retrieval.reranking import DEFAULT_RERANKER

TrainedKind = Literal["dense", "reranker", "sparse", "multivector"]
TRAINED_KINDS: tuple[TrainedKind, ...] = get_args(TrainedKind)

# the first is the default
LOSSES: dict[TrainedKind, tuple[str, ...]] = {
    "dense": ("mnrl", "triplet", "contrastive", "cosine", "margin-mse"),
    "reranker": ("mnrl", "bce", "margin-mse"),
    "sparse": ("mnrl", "triplet", "cosine", "margin-mse"),
    "multivector": ("mnrl", "margin-mse"),
}
MARGIN_MSE = "margin-mse"

# how negatives are taken from what was found: the first, or some by chance
TOP, RANDOM = "top", "random"
SAMPLINGS = (TOP, RANDOM)

TRAINERS: dict[TrainedKind, str] = {
    "dense": "SentenceTransformer",
    "reranker": "CrossEncoder",
    "sparse": "SparseEncoder",
    "multivector": "MultiVectorEncoder",
}
NEEDED = ("accelerate", "datasets")


def checked_trained_kind(kind: str) -> TrainedKind:
    """Return a kind as it is; InvalidInput for anything else."""
    for known in TRAINED_KINDS:
        if kind == known:
            return known
    raise InvalidInput(f"kind must be one of {', '.join(TRAINED_KINDS)}, not {kind!r}")


def checked_sampling(sampling: str) -> str:
    """Return a way of sampling negatives as it is; InvalidInput for anything else."""
    if sampling not in SAMPLINGS:
        raise InvalidInput(f"sampling must be {TOP} or {RANDOM}, not {sampling!r}")
    return sampling


def embedding_kind(kind: TrainedKind) -> Kind | None:
    """The kind of embeddings that a trained model makes; None for a reranker."""
    return None if kind == "reranker" else kind


def default_base(kind: TrainedKind) -> str:
    """What is trained where no model is named; InvalidInput where nothing suits everybody."""
    if kind == "dense":
        return DEFAULT_MODEL
    if kind == "reranker":
        return DEFAULT_RERANKER
    raise InvalidInput(f"there is no default model of kind {kind}: name one to begin with")


def check_packages() -> None:
    """Raise ConfigurationError where what the trainers need is not installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"training needs {' and '.join(missing)}: pip install 'retrieval[train]'"
        )


def scores_pairs(model: str) -> bool:
    """Whether a model is a cross-encoder already; ModelUnavailable where there is none."""
    with quiet():
        from sentence_transformers.util import load_file_path

        location = _location(model)
        find = partial(load_file_path, location.source, **_place(location))
        return "cross-encoder" in stored_kinds(find)


def load_base(model: str, kind: TrainedKind, seed: int) -> Any:
    """Load the model to begin with.

    A reranker may begin with any transformer: one that scores no pairs yet gets a new last layer,
    whose weights the seed decides.
    """
    if kind != "reranker":
        return load_encoder(model, kind)[1]
    if not scores_pairs(model):
        return _new_reranker(model, seed)
    encoder = load_encoder(model, "cross-encoder")[1]
    if encoder.num_labels != 1:
        raise InvalidInput(f"model {model!r} gives a pair {encoder.num_labels} labels, not a score")
    return encoder


def _new_reranker(model: str, seed: int) -> Any:
    location = _location(model)
    with quiet():
        from sentence_transformers import CrossEncoder
        from transformers import set_seed

        set_seed(seed)
        try:
            return CrossEncoder(location.source, num_labels=1, **_place(location))
        except Exception as error:  # whatever the library meets in a folder it cannot load
            raise ModelUnavailable(
                f"model {model!r} cannot be loaded: {one_line(error)}"
            ) from error


def _location(model: str) -> Location:
    try:
        return next(locate(model))
    except ModelUnavailable as error:
        instead = f"; begin with another one, such as {DEFAULT_MODEL}"
        raise ModelUnavailable(f"model {model!r} cannot be loaded: {error}{instead}") from error


def _place(location: Location) -> dict[str, Any]:
    return {
        "revision": None if location.folder else location.revision,
        "local_files_only": location.folder is not None,
    }
