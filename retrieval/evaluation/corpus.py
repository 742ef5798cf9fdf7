"""What was searched: without it a number says nothing, and cannot be had again."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, any_, func, literal, select

import retrieval
from retrieval import orm
from retrieval.errors import InvalidInput, NotFound
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import Reranker
from retrieval.search import Retriever
from retrieval.settings import Settings

# of a space, what decides over what is found in it
OF_A_SPACE = (
    *("name", "kind", "modality", "model", "revision", "signature", "dimensions", "metric"),
    *("index_method", "quantization", "index_options", "search_options", "has_query_adapter"),
    *("embeddings", "missing"),
)


def describe_corpus(retriever: Retriever, collection: str) -> dict[str, Any]:
    """The collection as it is now; NotFound where there is none.

    `fingerprint` is another one after every change of a document.
    """
    called = orm.list_collections(collection)
    found = retriever.read(select(called.c.text_config, called.c.documents, called.c.chunks))
    if not found:
        raise NotFound(f"collection {collection} does not exist")
    (row,) = found
    settings = orm.call("collection_settings", collection=collection)
    spaces = orm.list_spaces(collection)
    active = select(*(spaces.c[name] for name in OF_A_SPACE)).where(spaces.c.state == "active")
    document = orm.Document
    content = func.coalesce(document.content_hash, func.md5(document.content))
    hashed = func.hashtextextended(document.document_key + content, 0)
    documents = select(func.sum(hashed)).where(*_owned(retriever, collection))
    return {
        "package": retrieval.__version__,
        "text_config": row.text_config,
        "documents": row.documents,
        "chunks": row.chunks,
        "fingerprint": str(retriever.read(documents)[0][0] or 0),
        "collection_settings": retriever.read(select(settings))[0][0],
        "spaces": [dict(each._mapping) for each in retriever.read(active)],
    }


def missing_documents(
    retriever: Retriever, collection: str, judgements: Judgements
) -> tuple[int, int]:
    """How many relevant documents are not in the collection, and how many there are at all.

    InvalidInput where none is: the judgements are of something else.
    """
    relevant = {
        key
        for grades in judgements.relevance.values()
        for key, grade in grades.items()
        if grade > 0
    }
    there = len(_there(retriever, collection, relevant))
    if there == 0:
        raise InvalidInput(
            f"none of the {len(relevant)} relevant documents is in collection {collection}"
        )
    return len(relevant) - there, len(relevant)


def rerankers(settings: Sequence[SearchSettings]) -> dict[str, str]:
    """The rerankers of the settings that name one or ask for the usual one."""
    found = {}
    for each in settings:
        asked = each.arguments.get("rerank")
        if asked is True:
            asked = Settings().reranker
        if isinstance(asked, Reranker):
            asked = asked.model
        if asked:
            found[each.name] = str(asked)
    return found


def _there(retriever: Retriever, collection: str, keys: Collection[str]) -> list[Any]:
    named = orm.Document.document_key == any_(literal(sorted(keys), ARRAY(Text)))
    statement = select(orm.Document.document_key).where(*_owned(retriever, collection), named)
    return retriever.read(statement)


def _owned(retriever: Retriever, collection: str) -> list[Any]:
    """The documents of a collection; its id as a value, so that one partition is read."""
    owner = select(orm.Collection.collection_id).where(orm.Collection.name == collection)
    ((collection_id,),) = retriever.read(owner)
    return [orm.Document.collection_id == collection_id, orm.of_current_tenant(orm.Document)]
