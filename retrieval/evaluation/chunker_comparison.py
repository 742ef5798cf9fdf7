"""Which way of cutting documents lets a search find the answers that are known to be in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select

from retrieval import orm
from retrieval.chunking import Chunking
from retrieval.document import Document
from retrieval.embedding import Embedding
from retrieval.errors import InvalidInput, LoadError, RetrievalError
from retrieval.evaluation.active_space import active_embedder
from retrieval.evaluation.chunker_grid import chunking_label, default_grid, distinct
from retrieval.evaluation.chunker_trial import Cut, Found, Texts, ask, cut, stored
from retrieval.evaluation.known_answers import KnownAnswer, silver_answers, single_blanks
from retrieval.evaluation.significance import Difference, paired_difference
from retrieval.evaluation.silver_documents import read_source
from retrieval.ingestion.sources import Sources
from retrieval.search import Retriever
from retrieval.search.request import DEFAULT_LEGS
from retrieval.spaces.progress import Progress, silent

COUNTS = (1, 5, 10)
BUDGETS = (500, 1_000, 2_000)
# the one by which ways of cutting are compared
MIDDLE = 1_000
SILVER_QUERIES = 100
SILVER_DOCUMENTS = 500


@dataclass(frozen=True, slots=True)
class ChunkerResult:
    """How many of the known answers a way of cutting lets a search find.

    `held` is the share of answers that any chunk holds whole: no search finds more. `recall` is the
    share found among so many chunks; `budget_recall` that found in so many tokens of context, the
    chunk that goes beyond them being cut, which is the fair one, as larger chunks take more of
    them. `difference` is that of the latter at 1,000 tokens to the collection's own way. Where it
    could not be tried, `failure` says why.
    """

    chunker: str
    is_own: bool
    chunks: int = 0
    mean_tokens: float = 0.0
    held: float = 0.0
    recall: Mapping[int, float] | None = None
    budget_recall: Mapping[int, float] | None = None
    difference: Difference | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkerComparison:
    """Ways of cutting side by side, the collection's own first.

    `is_synthetic` where the queries were made from the documents. `left_out` are queries none of
    whose documents is among the files, `failures` files that could not be read.
    """

    collection: str
    documents: int
    queries: int
    is_synthetic: bool
    left_out: int
    failures: list[str]
    results: list[ChunkerResult]


def compare_chunkers(
    retriever: Retriever,
    collection: str,
    files: Sequence[str | Path | Document],
    answers: Sequence[KnownAnswer] | None = None,
    *,
    chunkings: Sequence[Chunking] | None = None,
    legs: Sequence[str] = DEFAULT_LEGS,
    queries: int = SILVER_QUERIES,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> ChunkerComparison:
    """Cut documents in several ways, and search each of them for the known answers.

    The collection gives the model, the text configuration and the settings of its ranking; its
    documents take no part. Each way is stored in a transaction of its own that is rolled back, so
    that nothing stays. Without answers, `queries` are made from sentences of the documents.
    """
    embedder = active_embedder(retriever, collection)
    if embedder is None or embedder.kind != "dense":
        raise InvalidInput(f"collection {collection} has no active dense space")
    documents, failures = _load(files)
    known, left_out = (None, 0) if answers is None else _checked(answers, documents)
    own = _own_chunking(retriever, collection)
    texts = Texts(embedder)
    run = _Run(retriever, collection, documents, texts, legs, on_progress or silent)
    results: list[ChunkerResult] = []
    base: list[float] | None = None
    for chunking in distinct([own, *(chunkings or default_grid(embedder))]):
        try:
            made = run.cut(chunking)
        except RetrievalError as error:
            if chunking == own:
                raise
            label = chunking_label(chunking)
            results.append(ChunkerResult(label, False, failure=str(error)))
            continue
        if known is None:
            known = run.silver(made, queries, seed)
        found = run.ask(made, known)
        scores = _budget_scores(found, texts, MIDDLE)
        difference = None if base is None else paired_difference(base, scores)
        base = base or scores
        results.append(_result(chunking, chunking == own, made, known, found, texts, difference))
    assert known is not None
    return ChunkerComparison(
        collection, len(documents), len(known), answers is None, left_out, failures, results
    )


class _Run:
    """What all ways of cutting have in common."""

    def __init__(
        self,
        retriever: Retriever,
        collection: str,
        documents: Sequence[Document],
        texts: Texts,
        legs: Sequence[str],
        progress: Progress,
    ) -> None:
        self._retriever = retriever
        self._collection = collection
        self._documents = documents
        self._texts = texts
        self._legs = legs
        self._progress = progress
        self._queries: dict[str, Embedding] = {}

    def cut(self, chunking: Chunking) -> Cut:
        phase = f"embedding {chunking_label(chunking)}"
        return cut(self._documents, chunking, self._texts, phase, self._progress)

    def silver(self, made: Cut, queries: int, seed: int) -> list[KnownAnswer]:
        embedder = self._texts.embedder
        with stored(self._retriever, self._collection, made, embedder) as trial:
            retriever, name, connection = trial
            source = read_source(
                retriever, name, documents=SILVER_DOCUMENTS, seed=seed, connection=connection
            )
        answers = silver_answers(source, queries=queries, seed=seed)
        if not answers:
            raise InvalidInput("the files have no sentence to make a query from")
        return answers

    def ask(self, made: Cut, answers: Sequence[KnownAnswer]) -> list[list[Found]]:
        embedder = self._texts.embedder
        if "semantic" in self._legs and not self._queries:
            self._queries = {each.key: embedder.embed_query(each.query) for each in answers}
        with stored(self._retriever, self._collection, made, embedder) as trial:
            return ask(answers, self._queries, self._legs, trial)


def _load(files: Sequence[str | Path | Document]) -> tuple[list[Document], list[str]]:
    """The documents of texts, each key once, as an ingestion of the files would have them."""
    documents: dict[str, Document] = {}
    failures = []
    for each in Sources(files):
        if isinstance(each, LoadError):
            failures.append(f"{each.source}: {each.reason}")
        elif each.modality == "text" and each.content.strip():
            documents.setdefault(each.key, each)
    if not documents:
        raise InvalidInput(failures[0] if failures else "the files hold no document of text")
    return list(documents.values()), failures


def _checked(
    answers: Sequence[KnownAnswer], documents: Sequence[Document]
) -> tuple[list[KnownAnswer], int]:
    """The answers that can be found, and how many are of other documents.

    InvalidInput where a text is not in the document that is said to hold it.
    """
    contents = {each.key: single_blanks(each.content) for each in documents}
    kept = []
    for each in answers:
        named = each.document_keys & contents.keys() if each.document_keys else contents.keys()
        if each.text is not None and not any(each.text in contents[key] for key in named):
            place = f"document {min(each.document_keys)}" if each.document_keys else "any document"
            raise InvalidInput(f"query {each.key}: the answer is not in {place}")
        if named:
            kept.append(each)
    if not kept:
        raise InvalidInput("no query has an answer among the documents of the files")
    return kept, len(answers) - len(kept)


def _own_chunking(retriever: Retriever, collection: str) -> Chunking:
    chosen = orm.Collection.settings["chunking"]
    rows = retriever.read(select(chosen).where(orm.Collection.name == collection))
    return Chunking.from_json(rows[0][0] or {})


def _result(
    chunking: Chunking,
    is_own: bool,
    made: Cut,
    answers: Sequence[KnownAnswer],
    found: Sequence[Sequence[Found]],
    texts: Texts,
    difference: Difference | None,
) -> ChunkerResult:
    chunks = [(key, single_blanks(content), content) for key, content in made.contents]
    held = [any(each.is_in(key, content) for key, content, _ in chunks) for each in answers]
    return ChunkerResult(
        chunking_label(chunking),
        is_own,
        len(chunks),
        _mean(texts.tokens(content) for _, _, content in chunks),
        _mean(held),
        {
            count: _mean(any(hit.answer_end for hit in hits[:count]) for hits in found)
            for count in COUNTS
        },
        {budget: _mean(_budget_scores(found, texts, budget)) for budget in BUDGETS},
        difference,
    )


def _budget_scores(found: Sequence[Sequence[Found]], texts: Texts, budget: int) -> list[float]:
    """For each query 1 if the answer is in the first tokens of what is found, else 0."""
    return [float(_in_budget(hits, texts, budget)) for hits in found]


def _in_budget(hits: Sequence[Found], texts: Texts, budget: int) -> bool:
    used = 0
    for hit in hits:
        if used >= budget:
            return False
        if hit.answer_end is not None:
            return used + texts.tokens(hit.content[: hit.answer_end]) <= budget
        used += texts.tokens(hit.content)
    return False


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
