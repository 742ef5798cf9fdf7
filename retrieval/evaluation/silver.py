"""Judgements made from nothing but the documents: synthetic, and to be called so.

A query is made from a document, and that document is the answer that is known. Others may answer
it as well, so that what is found counts too little; and a query has words of its document, so that
keyword search looks better than it is with people's questions.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random

from retrieval.errors import InvalidInput
from retrieval.evaluation.silver_documents import read_source
from retrieval.evaluation.silver_kinds import BUILDERS, Known
from retrieval.evaluation.silver_questions import questions
from retrieval.generation.chat import ChatModel, chat_model
from retrieval.golden_sets.judgements import Judgements
from retrieval.search import Retriever
from retrieval.spaces.progress import Progress, silent

QUESTION = "question"
SILVER_KINDS = (*BUILDERS, QUESTION)
DEFAULT_KINDS = tuple(BUILDERS)
DEFAULT_QUERIES = 200
MOST_QUERIES = 10_000
# not every document yields a query of each kind
DOCUMENTS_PER_QUERY = 5
LEAST_DOCUMENTS = 200


def silver_judgements(
    retriever: Retriever,
    collection: str,
    *,
    kinds: Sequence[str] = DEFAULT_KINDS,
    queries: int = DEFAULT_QUERIES,
    seed: int = 0,
    chat: ChatModel | str | None = None,
    on_progress: Progress | None = None,
) -> Judgements:
    """Make at most so many queries from documents, as many of each kind as there are.

    The kinds are title, heading, sentence, known_item, and question, which `chat` writes. The key
    of a query begins with its kind. Among the same documents the same seed gives the same queries,
    but for questions. A title, heading or sentence of two documents is left out.
    """
    chosen = _checked_kinds(kinds)
    if not 1 <= queries <= MOST_QUERIES:
        raise InvalidInput(f"queries must be between 1 and {MOST_QUERIES}, not {queries}")
    model = chat_model(chat) if QUESTION in chosen else None
    most = max(LEAST_DOCUMENTS, DOCUMENTS_PER_QUERY * queries)
    source = read_source(retriever, collection, documents=most, seed=seed)
    builders = {**BUILDERS}
    if model is not None:
        builders[QUESTION] = partial(questions, chat=model)
    made = {kind: builders[kind](source, Random(f"{kind} {seed}")) for kind in chosen}
    found = _collected(retriever, collection, made, queries, on_progress or silent)
    if not found.queries:
        raise InvalidInput(
            f"collection {collection} has no document to make a query from ({', '.join(chosen)})"
        )
    return found


def _collected(
    retriever: Retriever,
    collection: str,
    made: dict[str, Iterator[Known]],
    queries: int,
    progress: Progress,
) -> Judgements:
    """A query of each kind in turn, no two of them alike."""
    texts: dict[str, str] = {}
    relevance: dict[str, dict[str, int]] = {}
    seen: set[str] = set()
    counts = dict.fromkeys(made, 0)
    remaining = dict(made)
    while remaining and len(texts) < queries:
        for kind, candidates in list(remaining.items()):
            known = _next(retriever, collection, candidates, seen)
            if known is None:
                del remaining[kind]
                continue
            counts[kind] += 1
            key = f"{kind}-{counts[kind]}"
            texts[key], relevance[key] = known.query, {known.document_key: 1}
            progress("writing queries", len(texts), queries)
            if len(texts) == queries:
                break
    return Judgements(texts, relevance)


def _next(
    retriever: Retriever, collection: str, candidates: Iterator[Known], seen: set[str]
) -> Known | None:
    """The next one that is new, and of which no other document holds what is telling in it."""
    for known in candidates:
        query = known.query.casefold()
        if query not in seen and not _is_ambiguous(retriever, collection, known):
            seen.add(query)
            return known
    return None


def _is_ambiguous(retriever: Retriever, collection: str, known: Known) -> bool:
    if known.phrase is None:
        return False
    phrase = '"' + known.phrase.replace('"', " ") + '"'
    hits = retriever.search(collection, phrase, legs=["keyword"], per_document=1, max_results=2)
    return any(hit.document_key != known.document_key for hit in hits)


def _checked_kinds(kinds: Sequence[str]) -> list[str]:
    if not kinds:
        raise InvalidInput(f"name a kind of queries: {', '.join(SILVER_KINDS)}")
    for kind in kinds:
        if kind not in SILVER_KINDS:
            raise InvalidInput(f"kind must be one of {', '.join(SILVER_KINDS)}, not {kind!r}")
    return list(dict.fromkeys(kinds))
