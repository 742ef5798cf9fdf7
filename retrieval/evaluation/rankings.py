"""What settings find for the queries of a golden set."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from retrieval.evaluation.search_settings import SearchSettings
from retrieval.search import Retriever


@dataclass(frozen=True, slots=True)
class Rankings:
    """Document keys by query key, best first, and how long each search took.

    The time includes the embedding of the query and, where it is reranked, that.
    """

    document_keys: Mapping[str, list[str]]
    milliseconds: Mapping[str, float]


def rank_documents(
    retriever: Retriever,
    collection: str,
    queries: Mapping[str, str],
    settings: SearchSettings,
    *,
    depth: int,
    on_query: Callable[[], None] | None = None,
) -> Rankings:
    """Search for every query, one after the other; `depth` documents of each are kept.

    The first query is searched for once more before, so that no time has a model's loading in it.
    """
    found, times = {}, {}
    for query in [*queries.values()][:1]:
        settings.find(retriever, collection, query, depth)
    for key, query in queries.items():
        started = time.perf_counter()
        hits = settings.find(retriever, collection, query, depth)
        times[key] = 1000 * (time.perf_counter() - started)
        found[key] = list(dict.fromkeys(hit.document_key for hit in hits))
        if on_query is not None:
            on_query()
    return Rankings(found, times)
