"""One way of cutting documents, tried: cut, embedded, stored in a transaction, searched, undone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, select, update

from retrieval import database, orm
from retrieval.chunking import Chunking, chunk_document, embedding_text
from retrieval.document import Document
from retrieval.embedding import Embedder, Embedding
from retrieval.evaluation.known_answers import KnownAnswer
from retrieval.ingestion.batch import Batch, PreparedDocument
from retrieval.ingestion.store import put_batch, written_spaces
from retrieval.search import Retriever
from retrieval.spaces.progress import Progress

# of a query, as many chunks as a hybrid search has candidates of a leg
DEPTH = 100
TEXTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Found:
    """The content of a chunk that was found, and where in it the answer ends, if it answers."""

    content: str
    answer_end: int | None


class Texts:
    """Embeds texts, each once however many ways of cutting have it."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._known: dict[str, Embedding] = {}
        self._tokens: dict[str, int] = {}

    def embed(self, texts: Sequence[str], phase: str, progress: Progress) -> list[Embedding]:
        """The embeddings of texts, in their order."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(missing), TEXTS_AT_ONCE):
            some = missing[start : start + TEXTS_AT_ONCE]
            self._known.update(zip(some, self.embedder.embed_documents(some), strict=True))
            progress(phase, min(start + TEXTS_AT_ONCE, len(missing)), len(missing))
        return [self._known[text] for text in texts]

    def tokens(self, content: str) -> int:
        """How many tokens a content has."""
        if content not in self._tokens:
            self._tokens[content] = self.embedder.count_tokens(content)
        return self._tokens[content]


@dataclass(frozen=True, slots=True)
class Cut:
    """Documents with their chunks, and the embeddings of these."""

    documents: Sequence[PreparedDocument]
    embeddings: Sequence[Embedding]

    @property
    def contents(self) -> Iterator[tuple[str, str]]:
        """The key of its document and the content of each chunk."""
        for each in self.documents:
            for chunk in each.chunks:
                yield each.document.key, chunk.content


def cut(
    documents: Sequence[Document],
    chunking: Chunking,
    texts: Texts,
    phase: str,
    progress: Progress,
) -> Cut:
    """Cut documents as their ingestion would, and embed the chunks."""
    prepared = [
        PreparedDocument(each, "", chunk_document(each, texts.embedder, chunking))
        for each in documents
    ]
    shown = [
        embedding_text(each.document.title, chunk.context, chunk.content)
        for each in prepared
        for chunk in each.chunks
    ]
    return Cut(prepared, texts.embed(shown, phase, progress))


@contextmanager
def stored(
    retriever: Retriever, collection: str, made: Cut, embedder: Embedder
) -> Iterator[tuple[Retriever, str, Connection]]:
    """A collection of these chunks, with the settings of another one; nothing of it stays.

    Gives a retriever, the collection's name, and the connection that alone knows of it.
    """
    trial = Retriever(retriever.engine, embedder=embedder)
    name = f"compare-chunkers {uuid4().hex}"
    with database.translate_errors(), retriever.engine.connect() as connection:
        like = connection.execute(
            select(orm.Collection.text_config, orm.Collection.settings).where(
                orm.Collection.name == collection
            )
        ).one()
        trial.create_collection(
            name, embedder=embedder, text_config=like.text_config, connection=connection
        )
        _copy_settings(connection, name, like.settings)
        (row,) = written_spaces(connection, name)
        space = trial._spaces.known(row)
        batch = Batch(
            made.documents, {}, {space.space_id: space}, {space.space_id: list(made.embeddings)}
        )
        put_batch(connection, name, batch, [space.space_id])
        connection.execute(select(orm.call("tidy_collection", collection=name)))
        yield trial, name, connection
        connection.rollback()


def _copy_settings(connection: Connection, name: str, settings: Mapping[str, Any]) -> None:
    """Rank as the other collection does, but for what is known of its own spaces only."""
    copied = {key: value for key, value in settings.items() if key != "calibration"}
    connection.execute(
        update(orm.Collection).where(orm.Collection.name == name).values(settings=copied)
    )


def ask(
    answers: Sequence[KnownAnswer],
    embeddings: Mapping[str, Embedding],
    legs: Sequence[str],
    trial: tuple[Retriever, str, Connection],
) -> list[list[Found]]:
    """What is found for each query, best first."""
    retriever, name, connection = trial
    found = []
    for each in answers:
        hits = retriever.search(
            name,
            each.query,
            legs=legs,
            max_results=DEPTH,
            query_embedding=embeddings.get(each.key),
            connection=connection,
        )
        found.append(
            [Found(hit.content, each.end_in(hit.document_key, hit.content)) for hit in hits]
        )
    return found
