"""What several ways of searching find, to be judged without knowing which of them found it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

from retrieval.errors import InvalidInput
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.search import Retriever
from retrieval.search.results import Hit


@dataclass(frozen=True, slots=True)
class PooledDocument:
    """A document as a judge sees it: no score, no rank, nothing of who found it.

    The content is that of the document's chunk that was found first.
    """

    document_key: str
    title: str | None
    content: str


def pool(
    retriever: Retriever,
    collection: str,
    query: str,
    settings: Sequence[SearchSettings],
    depth: int,
    judged: Collection[str] = (),
    seed: int = 0,
) -> list[PooledDocument]:
    """What is to be judged of the first `depth` documents of each of the settings, as `pooled`."""
    if not settings:
        raise InvalidInput("a pool needs settings to search with")
    rankings = [each.find(retriever, collection, query, depth) for each in settings]
    return pooled(rankings, query, judged, seed)


def pooled(
    rankings: Iterable[Iterable[Hit]], query: str, judged: Collection[str] = (), seed: int = 0
) -> list[PooledDocument]:
    """The documents of several rankings together, without the `judged` ones.

    They come in an order that has nothing to do with their ranks, the same again with the same
    seed. The method is that of TREC: Spärck Jones and van Rijsbergen, "Report on the need for and
    provision of an 'ideal' information retrieval test collection", 1975.
    """
    found: dict[str, Hit] = {}
    for hit in chain.from_iterable(rankings):
        found.setdefault(hit.document_key, hit)
    return [
        PooledDocument(key, found[key].title, found[key].content)
        for key in blind_order(query, found.keys() - set(judged), seed)
    ]


def blind_order(query: str, document_keys: Collection[str], seed: int) -> list[str]:
    """The keys in an order that a hash makes, so that each query has another one."""

    def place(key: str) -> bytes:
        return sha256(f"{seed}\0{query}\0{key}".encode()).digest()

    return sorted(document_keys, key=place)
