"""The part of a collection that models are compared on."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ARRAY, Text, any_, func, literal, or_, select

from retrieval import orm
from retrieval.chunking import embedding_text
from retrieval.errors import InvalidInput, NotFound
from retrieval.search import Retriever

ASCENDING_AS_BYTES = "C"


@dataclass(frozen=True, slots=True)
class ModelSample:
    """Texts of chunks with their documents' keys, those of a document next to each other.

    `documents` are sampled of `all_documents`, with all their chunks, of `all_chunks`.
    """

    texts: list[str]
    document_keys: list[str]
    documents: int
    all_documents: int
    all_chunks: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out."""
        return self.documents == self.all_documents


def read_sample(
    retriever: Retriever, collection: str, judged: Iterable[str], *, documents: int, seed: int
) -> ModelSample:
    """The judged documents, and others up to that number; the same ones for the same seed."""
    found = retriever.read(
        select(orm.Collection.collection_id).where(orm.Collection.name == collection)
    )
    if not found:
        raise NotFound(f"collection {collection} does not exist")
    document, chunk = orm.Document, orm.Chunk
    is_judged = document.document_key == any_(literal(sorted(set(judged)), ARRAY(Text)))
    of_texts = (
        document.collection_id == found[0].collection_id,
        orm.of_current_tenant(document),
        document.modality == "text",
    )
    numbered = (
        select(
            document.document_id,
            document.document_key,
            is_judged.label("is_judged"),
            func.row_number()
            .over(
                order_by=(
                    is_judged.desc(),
                    func.hashtextextended(document.document_key, seed),
                    document.document_key,
                )
            )
            .label("place"),
            func.count().over().label("documents"),
        )
        .where(*of_texts)
        .subquery()
    )
    rows = retriever.read(
        select(
            numbered.c.document_key,
            numbered.c.documents,
            numbered.c.is_judged,
            chunk.title,
            chunk.context,
            chunk.content,
        )
        .join(chunk, chunk.document_id == numbered.c.document_id)
        .where(
            chunk.collection_id == found[0].collection_id,
            or_(numbered.c.is_judged, numbered.c.place <= documents),
        )
        .order_by(numbered.c.document_key.collate(ASCENDING_AS_BYTES), chunk.position)
    )
    if not any(row.is_judged for row in rows):
        raise InvalidInput(f"collection {collection} has none of the judged documents")
    size = retriever.read(select(orm.call("chunk_count", collection=collection)))
    keys = [row.document_key for row in rows]
    return ModelSample(
        [embedding_text(row.title, row.context, row.content) for row in rows],
        keys,
        len(set(keys)),
        rows[0].documents,
        int(size[0][0]),
    )
