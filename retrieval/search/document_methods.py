"""What a retriever does with single documents and chunks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from retrieval import orm
from retrieval.document import Document
from retrieval.embedding.spaces import KnownSpaces
from retrieval.ingestion.put import delete_steps, put_steps
from retrieval.ingestion.report import Outcome
from retrieval.loading.normalise import normalise_text
from retrieval.search.embed import TextEmbeddings, embed_steps
from retrieval.search.results import CollectionSummary
from retrieval.search.searches import rows
from retrieval.search.statements import collection_steps
from retrieval.steps import Result, Steps
from retrieval.stored import DocumentSummary, StoredChunk, StoredDocument
from retrieval.stored.documents import (
    chunks_steps,
    document_steps,
    documents_steps,
    neighbouring_steps,
)

Caller = Connection | Session | None


class DocumentMethods:
    """Documents and chunks of `Retriever`, read and written one by one or by the page."""

    _spaces: KnownSpaces

    def _drive(self, steps: Steps[Result], connection: Caller) -> Result:
        raise NotImplementedError

    def collection(self, name: str, *, connection: Caller = None) -> CollectionSummary:
        """One collection with its size and model; NotFound where there is none."""
        return self._drive(collection_steps(name), connection)

    def documents(
        self,
        collection: str,
        *,
        metadata_filter: Mapping[str, Any] | None = None,
        after: str | None = None,
        max_results: int = 100,
        connection: Caller = None,
    ) -> list[DocumentSummary]:
        """The documents of a collection by their keys, from the first key after `after` on."""
        steps = documents_steps(collection, metadata_filter, after, max_results)
        return self._drive(steps, connection)

    def get_document(
        self, collection: str, document_key: str, *, connection: Caller = None
    ) -> StoredDocument:
        """A document as it is stored; NotFound where there is none."""
        return self._drive(document_steps(collection, document_key), connection)

    def put_documents(
        self,
        collection: str,
        documents: Iterable[Document],
        *,
        condition: Callable[[str | None], bool] | None = None,
        connection: Caller = None,
    ) -> list[Outcome]:
        """Store documents as `ingest` does, and say of each what became of it, in their order.

        A `condition` is asked about the version of what is stored under the key of each, None where
        nothing is, in the transaction that stores it; ConditionFailed where it does not hold. Of
        several writers with the same condition on the same version only one therefore succeeds.
        """
        # another process may have made another space the active one
        self._spaces.forget(collection)
        steps = put_steps(collection, documents, self._spaces, condition)
        return self._drive(steps, connection)

    def delete_document(
        self,
        collection: str,
        document_key: str,
        *,
        condition: Callable[[str | None], bool] | None = None,
        connection: Caller = None,
    ) -> bool:
        """Delete a document by its key, on the condition if one is given; false without it."""
        return self._drive(delete_steps(collection, document_key, condition), connection)

    def chunks(
        self,
        collection: str,
        *,
        document_key: str | None = None,
        after: tuple[int, int] | None = None,
        max_results: int = 100,
        connection: Caller = None,
    ) -> list[StoredChunk]:
        """The chunks of a collection, or of one document, by document_id and position.

        `after` are both of the last one that was seen.
        """
        steps = chunks_steps(collection, document_key, after, max_results)
        return self._drive(steps, connection)

    def neighbouring_chunks(
        self,
        chunk_id: int,
        *,
        before: int = 1,
        after: int = 1,
        collection: str | None = None,
        connection: Caller = None,
    ) -> list[StoredChunk]:
        """A chunk and those around it in its document, in order of position.

        Where a `collection` is named that does not have the chunk, NotFound.
        """
        steps = neighbouring_steps(chunk_id, before, after, collection)
        return self._drive(steps, connection)

    def highlight(
        self,
        collection: str,
        query: str,
        contents: Sequence[str],
        *,
        start_mark: str | None = None,
        stop_mark: str | None = None,
        max_fragments: int | None = None,
        fragment_length: int | None = None,
        escape_html: bool = False,
        connection: Caller = None,
    ) -> list[str]:
        """Of each content the fragments that hold most of the query's words, these marked.

        The marks are <mark> and </mark>; with `escape_html` everything else is escaped.
        """
        found = orm.highlights(
            collection,
            contents,
            normalise_text(query),
            start_mark=start_mark,
            stop_mark=stop_mark,
            max_fragments=max_fragments,
            fragment_length=fragment_length,
            escape_html=escape_html,
        )
        return [text for (text,) in self._drive(rows(found), connection)]

    def embed(
        self,
        collection: str,
        texts: Sequence[str],
        *,
        space: str | None = None,
        queries: bool = False,
        connection: Caller = None,
    ) -> TextEmbeddings:
        """Embed texts as documents of a dense space are, the active one without a name.

        Or as `queries`, which some models embed in another way.
        """
        steps = embed_steps(collection, texts, space, queries, self._spaces)
        return self._drive(steps, connection)
