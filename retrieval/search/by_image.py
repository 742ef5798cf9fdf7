"""Search with an image instead of a text."""

from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

from PIL.Image import Image
from sqlalchemy import Connection

from retrieval import orm
from retrieval.embedding import Embedding, ImageEmbedder, modalities_of
from retrieval.embedding.spaces import KnownSpace, KnownSpaces, check_found
from retrieval.errors import InvalidInput, NotReady
from retrieval.search.results import Hit
from retrieval.search.searches import found_hits
from retrieval.search.statements import space_statement
from retrieval.steps import Compute, Read, Steps

QueryImage: TypeAlias = str | Path | Image


def image_hits(
    collection: str,
    image: QueryImage,
    space: str | None,
    known_spaces: KnownSpaces,
    **options: Any,
) -> Steps[list[Hit]]:
    """The chunks nearest to an image; `options` are those of semantic search."""
    known = yield from _space_steps(collection, space, known_spaces)
    embedding = yield Compute(partial(_embedded, image, known))
    signature = dict(known.signature)
    found = orm.semantic_search(
        collection, embedding, space=known.name, signature=signature, **options
    )
    return (yield from found_hits(found))


def _space_steps(
    collection: str, space: str | None, known_spaces: KnownSpaces
) -> Steps[KnownSpace]:
    row = yield Read(partial(_space_row, collection=collection, space=space))
    if not check_found(collection, space, "dense", row):
        raise NotReady(f"collection {collection} has no active space of images")
    known: KnownSpace = yield Compute(partial(known_spaces.known, row))
    return known


def _space_row(connection: Connection, collection: str, space: str | None) -> Any:
    statement = space_statement(collection, space, "dense", modality="image")
    return connection.execute(statement).one_or_none()


def _embedded(image: QueryImage, space: KnownSpace) -> Embedding:
    from retrieval.loading.images import open_image

    if "image" not in modalities_of(space.embedder):
        raise InvalidInput(f"space {space.name}: its model {space.embedder.model} reads no images")
    pixels = open_image(Path(image)) if isinstance(image, str | Path) else image.convert("RGB")
    (embedding,) = cast(ImageEmbedder, space.embedder).embed_images([pixels])
    return embedding
