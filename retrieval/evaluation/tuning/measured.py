"""What a setting reaches on judged queries, with the models run once for all settings."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrieval.embedding.embedder import Floats
from retrieval.evaluation.measures import measure_rankings, parse_measure
from retrieval.evaluation.rankings import Rankings
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import Reranker
from retrieval.search import Retriever

# how deep a measure looks that does not say so itself
DEPTH = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure and the milliseconds of a search, by query."""

    scores: Mapping[str, float]
    milliseconds: Mapping[str, float]

    @property
    def mean(self) -> float:
        """The mean of the measure."""
        return float(np.mean(list(self.scores.values())))

    @property
    def latency(self) -> float:
        """So many milliseconds are enough for 95 % of the searches."""
        return float(np.percentile(list(self.milliseconds.values()), 95))

    def __or__(self, other: "Measured") -> "Measured":
        """On the queries of both."""
        return Measured(
            {**self.scores, **other.scores}, {**self.milliseconds, **other.milliseconds}
        )


def measured(judgements: Judgements, rankings: Rankings, measure: str) -> Measured:
    """The measure of rankings, for the queries that they are of."""
    relevance = {query: judgements.relevance[query] for query in rankings.document_keys}
    values = measure_rankings(relevance, rankings.document_keys, [measure])
    scores = {query: value[measure] for query, value in values.items()}
    return Measured(scores, rankings.milliseconds)


def depth_of(measure: str) -> int:
    """How many documents a measure looks at."""
    return int(parse_measure(measure).params.get("cutoff") or DEPTH)


class RememberingReranker:
    """A reranker that reads each pair once, and says what reading the others would have taken."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._scores: dict[tuple[str, str], float] = {}
        self._milliseconds = 0.0
        self.owed = 0.0
        reranker.score("warm", ["up"])  # loads the model, which no search waits for later

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._reranker.model

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """The model's scores."""
        missing = [text for text in dict.fromkeys(texts) if (query, text) not in self._scores]
        if missing:
            started = time.perf_counter()
            scores = self._reranker.score(query, missing).tolist()
            self._milliseconds += 1000 * (time.perf_counter() - started)
            pairs = ((query, text) for text in missing)
            self._scores |= dict(zip(pairs, scores, strict=True))
        remembered = len(texts) - len(missing)
        self.owed += remembered * self._milliseconds / max(1, len(self._scores))
        return np.array([self._scores[query, text] for text in texts], dtype=np.float32)


class Examination:
    """Searches for judged queries again and again, each time by another setting.

    The times are those of whoever searches once: with the embedding of the query, and the reranker.
    """

    def __init__(
        self,
        retriever: Retriever,
        collection: str,
        judgements: Judgements,
        measure: str,
        rerankers: Mapping[str, Reranker],
        *,
        semantic: bool,
    ) -> None:
        self._retriever = retriever
        self._collection = collection
        self._judgements = judgements
        self._measure = measure
        self._depth = depth_of(measure)
        self._rerankers = {
            name: RememberingReranker(reranker) for name, reranker in rerankers.items()
        }
        self._embeddings: dict[str, Any] = {}
        self._embedding_milliseconds: dict[str, float] = {}
        if semantic:
            self._embed()

    def measure(self, arguments: Mapping[str, Any], keys: Iterable[str]) -> Measured:
        """What these arguments of a search reach on some of the queries."""
        given = dict(arguments)
        reranker = self._rerankers.get(given.get("rerank") or "")
        if reranker is not None:
            given["rerank"] = reranker
        settings = SearchSettings("trial", given)
        found, times = {}, {}
        for key in keys:
            found[key], times[key] = self._find(key, settings, reranker)
        return measured(self._judgements, Rankings(found, times), self._measure)

    def _find(
        self, key: str, settings: SearchSettings, reranker: RememberingReranker | None
    ) -> tuple[list[str], float]:
        owed = reranker.owed if reranker else 0.0
        started = time.perf_counter()
        hits = settings.find(
            self._retriever,
            self._collection,
            self._judgements.queries[key],
            self._depth,
            query_embedding=self._embeddings.get(key),
        )
        spent = 1000 * (time.perf_counter() - started)
        spent += self._embedding_milliseconds.get(key, 0.0)
        spent += reranker.owed - owed if reranker else 0.0
        return list(dict.fromkeys(hit.document_key for hit in hits)), spent

    def _embed(self) -> None:
        self._retriever.embed(self._collection, ["warm up"], queries=True)
        for key, query in self._judgements.queries.items():
            started = time.perf_counter()
            embedded = self._retriever.embed(self._collection, [query], queries=True)
            self._embedding_milliseconds[key] = 1000 * (time.perf_counter() - started)
            self._embeddings[key] = embedded.embeddings[0]
