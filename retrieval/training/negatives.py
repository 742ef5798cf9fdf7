"""Hard negatives: what a collection's own searches find for a query, though it answers nothing.

Texts that are found and not judged may answer the query all the same, and a model that learns to
push them away gets worse. A cross-encoder drops those that it holds for as good as the positive
(Moreira et al., "NV-Retriever: Improving text embedding models with effective hard-negative
mining", 2024, arXiv:2407.15831).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements
from retrieval.loading.normalise import normalise_text
from retrieval.reranking import Reranker, WordOverlapReranker
from retrieval.search import Retriever
from retrieval.spaces.progress import Progress, silent
from retrieval.training.examples import TrainingExample
from retrieval.training.kinds import (
    RANDOM,
    TOP,
    TrainedKind,
    checked_sampling,
    checked_trained_kind,
)
from retrieval.training.teacher import SCORING, teacher
from retrieval.training.texts import ChunkText, chunk_keys, chunk_texts

MINING = "searching for negatives"
MINED_LEGS = ("keyword", "semantic")
# how many more than are wanted a cross-encoder is asked about, as it drops some
SPARE = 2


@dataclass(frozen=True, slots=True)
class _Found:
    """Chunk ids of one query, best first, by turns from each leg; of each document the best."""

    query: str
    relevant: frozenset[str]
    rejected: tuple[str, ...]
    best: Mapping[str, int]


def mine_negatives(
    retriever: Retriever,
    collection: str,
    judgements: Judgements,
    *,
    kind: TrainedKind = "dense",
    per_query: int = 4,
    depth: int = 30,
    skip_first: int = 0,
    legs: Sequence[str] = MINED_LEGS,
    sampling: str = TOP,
    seed: int = 0,
    reranker: Reranker | str | None = None,
    margin: float = 0.0,
    on_progress: Progress | None = None,
) -> list[TrainingExample]:
    """An example for each query and relevant document, with the hardest negatives that are found.

    Each leg gives its first `depth` chunks after `skip_first`, of each document the best. Of all of
    them those are taken that are "top", by turns from each leg, or some at "random", which leaves
    fewer that answer the query and were not judged, and shows a reranker what it will read. What is
    judged 0 comes before what was found; what is judged higher never is a negative, nor is a text
    that a relevant document has too. With a `reranker`, a cross-encoder's name or another one, a
    candidate that it scores above the positive less `margin` is dropped, and the scores are kept;
    a cross-encoder's are those before its last function. The texts are those that a model of the
    kind is given in searches.
    """
    checked_trained_kind(kind)
    if per_query < 0 or depth < 1 or skip_first < 0 or not legs:
        raise InvalidInput("negatives need a depth of 1 or more, one leg, and no number below 0")
    checked_sampling(sampling)
    progress = on_progress or silent
    keys = chunk_keys(retriever, collection)
    found = list(_search(retriever, collection, judgements, legs, (skip_first, depth), progress))
    if not any(each.relevant for each in found):
        raise InvalidInput("no query has a document that is judged relevant")
    texts = _Texts(retriever, collection, keys, found)
    scorer = teacher(reranker)
    shuffle = np.random.default_rng(seed).permutation if sampling == RANDOM else None
    examples = []
    for number, each in enumerate(found, 1):
        candidates = _candidates(each, texts, shuffle)
        for positive in _positives(each, texts, scorer):
            kept = _Kept(positive, candidates, per_query)
            examples.append(kept.example(each.query, kind, scorer, margin))
        if scorer is not None:
            progress(SCORING, number, len(found))
    if not examples:
        raise InvalidInput(f"collection {collection} has none of the relevant documents")
    return examples


def _search(
    retriever: Retriever,
    collection: str,
    judgements: Judgements,
    legs: Sequence[str],
    ranks: tuple[int, int],
    progress: Progress,
) -> Iterator[_Found]:
    first, depth = ranks
    for number, (key, query) in enumerate(judgements.queries.items(), 1):
        by_leg = [
            retriever.search(collection, query, legs=[leg], max_results=first + depth)[first:]
            for leg in legs
        ]
        best: dict[str, int] = {}
        for hit in filter(None, chain.from_iterable(zip_longest(*by_leg))):
            best.setdefault(hit.document_key, hit.chunk_id)
        grades = judgements.relevance[key]
        yield _Found(
            normalise_text(query),  # as searches do
            frozenset(document for document, grade in grades.items() if grade > 0),
            tuple(document for document, grade in grades.items() if grade <= 0),
            best,
        )
        progress(MINING, number, len(judgements.queries))


class _Texts:
    """The texts of all that was found or is judged."""

    def __init__(
        self,
        retriever: Retriever,
        collection: str,
        keys: Mapping[int, str],
        found: Sequence[_Found],
    ) -> None:
        judged = {key for each in found for key in chain(each.relevant, each.rejected)}
        self._chunks: dict[str, list[int]] = {}
        for chunk, key in keys.items():
            if key in judged:
                self._chunks.setdefault(key, []).append(chunk)
        wanted = {chunk for each in found for chunk in each.best.values()}
        wanted.update(chain.from_iterable(self._chunks.values()))
        self._texts = chunk_texts(retriever, collection, sorted(wanted & keys.keys()))

    def of(self, chunk: int) -> ChunkText | None:
        """The texts of a chunk, None for one that is gone."""
        return self._texts.get(chunk)

    def best(self, document: str, found: _Found, scorer: Reranker | None) -> ChunkText | None:
        """The chunk of a judged document that speaks of the query.

        The only one, or the one that was found; else the reranker chooses, or the words of the
        query do. None for a document that the collection has not.
        """
        chunks = [self._texts[each] for each in self._chunks.get(document, ()) if self.of(each)]
        if len(chunks) < 2:
            return chunks[0] if chunks else None
        if document in found.best and (hit := self.of(found.best[document])):
            return hit
        scores = (scorer or WordOverlapReranker()).score(
            found.query, [each.reranked for each in chunks]
        )
        return chunks[int(scores.argmax())]


def _positives(found: _Found, texts: _Texts, scorer: Reranker | None) -> Iterator[ChunkText]:
    for document in sorted(found.relevant):
        if positive := texts.best(document, found, scorer):
            yield positive


def _candidates(
    found: _Found, texts: _Texts, shuffle: Callable[[int], NDArray[np.intp]] | None
) -> list[ChunkText]:
    """Judged 0 first, then by rank, or shuffled; no text twice, and none of a positive."""
    documents = list(found.best)
    if shuffle is not None:
        documents = [documents[place] for place in shuffle(len(documents))]
    judged = (texts.best(document, found, None) for document in found.rejected)
    ranked = (
        texts.of(found.best[document])
        for document in documents
        if document not in found.relevant and document not in found.rejected
    )
    seen = {each.embedded for each in _positives(found, texts, None)}
    kept = []
    for each in filter(None, chain(judged, ranked)):
        if each.embedded.strip() and each.embedded not in seen:
            seen.add(each.embedded)
            kept.append(each)
    return kept


@dataclass(frozen=True, slots=True)
class _Kept:
    """A positive and what may be its negatives."""

    positive: ChunkText
    candidates: Sequence[ChunkText]
    wanted: int

    def example(
        self, query: str, kind: TrainedKind, scorer: Reranker | None, margin: float
    ) -> TrainingExample:
        """The first of the candidates that are wanted, and that a reranker lets pass."""
        if scorer is None:
            chosen = self.candidates[: self.wanted]
            return TrainingExample(query, _read(self.positive, kind), _all_read(chosen, kind))
        asked = self.candidates[: SPARE * self.wanted]
        texts = [each.reranked for each in (self.positive, *asked)]
        best, *scores = scorer.score(query, texts).tolist()
        passed = [
            (each, score)
            for each, score in zip(asked, scores, strict=True)
            if score <= best - margin
        ][: self.wanted]
        return TrainingExample(
            query,
            _read(self.positive, kind),
            _all_read([each for each, _ in passed], kind),
            (best, *(score for _, score in passed)),
        )


def _read(text: ChunkText, kind: TrainedKind) -> str:
    return text.reranked if kind == "reranker" else text.embedded


def _all_read(texts: Sequence[ChunkText], kind: TrainedKind) -> tuple[str, ...]:
    return tuple(_read(each, kind) for each in texts)
