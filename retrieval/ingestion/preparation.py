"""From documents to chunks, of those that are new or have changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from retrieval.chunking import Chunk, Chunking, chunk_document
from retrieval.document import Document
from retrieval.embedding import Embedder
from retrieval.embedding.spaces import KnownSpace
from retrieval.errors import InvalidInput, LoadError
from retrieval.ingestion.batch import PreparedDocument
from retrieval.ingestion.contexts import ContextWriter
from retrieval.ingestion.report import IngestReport
from retrieval.ingestion.store import content_hash
from retrieval.steps import Steps

LARGEST_NUMBER = 65_504  # of half precision


class Preparation:
    """Cuts documents in one way, for the tokens of one model.

    `given_space` is the one that embeddings belong into which documents bring themselves.
    """

    def __init__(
        self,
        chunking: Chunking,
        contexts: ContextWriter | None,
        given_space: KnownSpace | None,
        report: IngestReport,
    ) -> None:
        self._chunking = chunking
        self._contexts = contexts
        self._given_space = given_space
        self._report = report

    def prepare(
        self, documents: Sequence[Document], known: Mapping[str, str | None], embedder: Embedder
    ) -> list[PreparedDocument]:
        """Cut those of which another hash is known, or none; others count as unchanged."""
        if self._contexts:
            embedder = self._contexts.room_beside(embedder)
        prepared = []
        for given in documents:
            try:
                document = self._with_fitting_embedding(given)
                digest = self._hash(document, embedder)
                if known.get(document.key, "") == digest:
                    self._report.keep(document.key)
                    continue
                chunks = self._chunks(document, embedder)
                prepared.append(PreparedDocument(document, digest, chunks))
            except UnfitDocument as error:
                self._report.fail(given.key, str(error))
            except LoadError as error:
                self._report.fail(error.source, error.reason)
        return prepared

    def write_contexts(
        self, prepared: Sequence[PreparedDocument], embedder: Embedder
    ) -> Steps[Sequence[PreparedDocument]]:
        """Let a language model add to the contexts, if that was asked for."""
        if self._contexts is None:
            return prepared
        return (yield from self._contexts.steps(prepared, embedder))

    def _hash(self, document: Document, embedder: Embedder) -> str:
        try:
            digest = content_hash(document, embedder.max_tokens, self._chunking)
        except InvalidInput as error:
            raise UnfitDocument(str(error)) from error
        return self._contexts.content_hash(digest) if self._contexts else digest

    def _chunks(self, document: Document, embedder: Embedder) -> list[Chunk]:
        if document.embedding is None:
            return chunk_document(document, embedder, self._chunking)
        return [Chunk(0, document.content, 0, len(document.content), "")]

    def _with_fitting_embedding(self, document: Document) -> Document:
        """The document with the embedding that it brings as float32."""
        if document.embedding is None:
            return document
        if self._given_space is None:
            raise UnfitDocument("it brings an embedding, but no space of dense ones is searched")
        try:
            embedding = np.asarray(document.embedding, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise UnfitDocument("its embedding is not a list of numbers") from error
        dimensions = self._given_space.embedder.dimensions
        if embedding.shape != (dimensions,):
            shape = " x ".join(map(str, embedding.shape)) or "no"
            space = f"space {self._given_space.name} has {dimensions}"
            raise UnfitDocument(f"its embedding has {shape} dimensions, {space}")
        if not (np.abs(embedding) <= LARGEST_NUMBER).all():
            limit = f"from -{LARGEST_NUMBER} to {LARGEST_NUMBER}"
            raise UnfitDocument(f"its embedding holds what is not a number {limit}")
        is_same = embedding is document.embedding
        return document if is_same else replace(document, embedding=embedding)


class UnfitDocument(Exception):
    """A document that cannot be stored as it was given; the message says why."""
