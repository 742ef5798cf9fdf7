"""New spaces."""

from typing import Any

from sqlalchemy import Select, select

from retrieval import orm
from retrieval.embedding import Embedder, modalities_of
from retrieval.errors import InvalidInput


def space_name(model: str) -> str:
    """A space's name from its model's: the last part of a path or hub id."""
    return model.rstrip("/").rsplit("/", 1)[-1]


def create_space_statement(
    collection: str, space: str, embedder: Embedder, **options: Any
) -> Select[Any]:
    """Create the space of an embedder; options are those of the SQL function, None a default."""
    _check_modality(embedder, options.get("modality"))
    signature = embedder.signature
    called = orm.call(
        "create_space",
        collection=collection,
        space=space,
        model=embedder.model,
        dimensions=embedder.dimensions,
        kind=embedder.kind,
        revision=signature.revision,
        signature=signature.to_json(),
        **options,
    )
    return select(called)


def _check_modality(embedder: Embedder, modality: str | None) -> None:
    """InvalidInput for a space of images whose model reads none; the database knows the choices."""
    if modality == "image" and "image" not in modalities_of(embedder):
        raise InvalidInput(
            f"model {embedder.model} reads no images; a space of them needs one that does, "
            "such as sentence-transformers/clip-ViT-B-32"
        )
