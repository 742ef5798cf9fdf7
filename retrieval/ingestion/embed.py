"""From chunks to embeddings: texts for a space of texts, the pixels of files for one of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from retrieval.chunking import Chunk, embedding_text
from retrieval.document import Document, Modality
from retrieval.embedding import Embedding, ImageEmbedder
from retrieval.embedding.cache import embed_documents, embed_hashed
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import LoadError
from retrieval.ingestion.batch import Batch
from retrieval.loading.images import image_sha256, open_image
from retrieval.steps import Compute, Steps

# As many as are decoded at a time, of two megapixels at the most: 100 MB.
IMAGES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ChunkInput:
    """What models can be given of a chunk: its text, and the file of the image that it is."""

    document_key: str
    text: str
    content: str = ""
    modality: Modality = "text"
    source: str | None = None

    @classmethod
    def of_row(cls, row: Any) -> Self:
        """What `retrieval.missing_embeddings` and `retrieval.job_chunks` say of a chunk."""
        text = embedding_text(row.title, row.context, row.content)
        return cls(row.document_key, text, row.content, row.modality, row.source)

    def belongs_into(self, space: KnownSpace) -> bool:
        """Whether the space is to embed it, as `retrieval.missing_embeddings` says for others."""
        if space.modality == "image":
            return self.modality == "image"
        return self.modality == "text" or self.content != ""


def embed_batch(batch: Batch, space: KnownSpace, *, brought: bool) -> Steps[list[LoadError]]:
    """Give a batch its embeddings in a space, and leave out the documents that are unreadable.

    Where the embeddings that documents bring belong into this space, these are taken. Returns why
    the documents were left out.
    """
    chunks = [
        (position, _input(each.document, chunk, space, brought))
        for position, each in enumerate(batch.documents)
        for chunk in each.chunks
    ]
    made = yield from embed_chunks(space, [each for _, each in chunks if _is_input(each)])
    remaining = iter(made)
    embeddings: list[Any] = [next(remaining) if _is_input(each) else each for _, each in chunks]
    failed = {
        position: embedding
        for (position, _), embedding in zip(chunks, embeddings, strict=True)
        if isinstance(embedding, LoadError)
    }
    batch.embeddings[space.space_id] = embeddings
    batch.spaces[space.space_id] = space
    batch.leave_out(failed)
    return list(failed.values())


def _input(document: Document, chunk: Chunk, space: KnownSpace, brought: bool) -> Any:
    """What the space's model is given; the embedding itself if the document brings it."""
    if brought and document.embedding is not None:
        return document.embedding
    text = embedding_text(document.title, chunk.context, chunk.content)
    given = ChunkInput(document.key, text, chunk.content, document.modality, document.source)
    return given if given.belongs_into(space) else None


def _is_input(given: Any) -> bool:
    return isinstance(given, ChunkInput)


def embed_chunks(
    space: KnownSpace, chunks: Sequence[ChunkInput]
) -> Steps[list[Embedding | LoadError]]:
    """The embeddings of chunks that belong into a space, in their order.

    For a space of images a LoadError, which names the file, is in the place of one that is gone,
    broken or another one by now.
    """
    if space.modality == "image":
        return (yield from _embed_images(space, chunks))
    texts = yield from embed_documents(space, [each.text for each in chunks])
    return list(texts)


def _embed_images(
    space: KnownSpace, chunks: Sequence[ChunkInput]
) -> Steps[list[Embedding | LoadError]]:
    hashes = yield Compute(lambda: [_hash(each) for each in chunks])
    files = {
        digest: Path(each.source or "")
        for digest, each in zip(hashes, chunks, strict=True)
        if isinstance(digest, bytes)
    }
    errors: dict[bytes, LoadError] = {}
    found = yield from embed_hashed(space, files, partial(_embed_files, space, files, errors))
    results: dict[bytes, Embedding | LoadError] = {**errors, **found}
    return [digest if isinstance(digest, LoadError) else results[digest] for digest in hashes]


def _hash(chunk: ChunkInput) -> bytes | LoadError:
    if not chunk.source:
        return LoadError(chunk.document_key, "an image needs the path of its file as source")
    try:
        return image_sha256(Path(chunk.source))
    except LoadError as error:
        return error


def _embed_files(
    space: KnownSpace,
    files: dict[bytes, Path],
    errors: dict[bytes, LoadError],
    hashes: Sequence[bytes],
) -> dict[bytes, Embedding]:
    """Decode and embed some at a time; what cannot be decoded goes into `errors`."""
    embedder = cast(ImageEmbedder, space.embedder)
    embeddings: dict[bytes, Embedding] = {}
    for start in range(0, len(hashes), IMAGES_AT_ONCE):
        images = {}
        for digest in hashes[start : start + IMAGES_AT_ONCE]:
            try:
                images[digest] = open_image(files[digest], digest)
            except LoadError as error:
                errors[digest] = error
        if images:
            made = embedder.embed_images(list(images.values()))
            embeddings |= zip(images, made, strict=True)
    return embeddings
