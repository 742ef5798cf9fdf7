"""Ranks the held-out queries by a model, as searches would with it, before and after training."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.embedding import Embedder, create_embedder
from retrieval.embedding.kinds import Kind
from retrieval.embedding.signature import Signature
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import CrossEncoderReranker
from retrieval.reranking.late_interaction import max_sim_scores
from retrieval.search import Retriever
from retrieval.search.rerank import reranked_text
from retrieval.spaces.progress import Progress
from retrieval.training.kinds import embedding_kind, scores_pairs
from retrieval.training.measured import Measured, measured
from retrieval.training.options import TrainingOptions
from retrieval.training.texts import ChunkText, chunk_texts, sampled_chunks

# what is kept of a ranking
DEPTH = 100
# more are measured by a sample of them; late interaction compares every token with every other
MOST_CHUNKS: Mapping[Kind, int] = {"dense": 50_000, "sparse": 50_000, "multivector": 5_000}
BEFORE, AFTER = "measuring before", "measuring after"


class Measuring(Protocol):
    """Measures models of one kind on the same queries."""

    @property
    def chunks(self) -> int:
        """Among how many chunks."""

    def before(self, model: str) -> tuple[Measured, Measured | None]:
        """What training is compared with; of a reranker also that of the model, if it is one."""

    def after(self, folder: str) -> tuple[Measured, Signature | None]:
        """What the trained model reaches, and the signature of its embeddings."""


def measuring(
    retriever: Retriever,
    collection: str,
    options: TrainingOptions,
    keys: Mapping[int, str],
    held_out: Judgements,
    progress: Progress,
) -> Measuring:
    """What measures models of a kind; `keys` are the documents of all chunks."""
    embedded = embedding_kind(options.kind)
    if embedded is None:
        return ByPairs(retriever, collection, options.candidates, len(keys), held_out, progress)
    relevant = {key for grades in held_out.relevance.values() for key in grades}
    chosen = sampled_chunks(keys, relevant, MOST_CHUNKS[embedded], options.seed)
    texts = chunk_texts(retriever, collection, chosen)
    return ByEmbeddings(embedded, [texts[each] for each in sorted(texts)], held_out, progress)


class ByEmbeddings:
    """Exact search among chunks that are embedded here and now, in memory."""

    def __init__(
        self, kind: Kind, texts: Sequence[ChunkText], held_out: Judgements, progress: Progress
    ) -> None:
        self._kind = kind
        self._texts = [each.embedded for each in texts]
        self._keys = np.array([each.document_key for each in texts], dtype=object)
        self._held_out = held_out
        self._progress = progress

    @property
    def chunks(self) -> int:
        return len(self._texts)

    def before(self, model: str) -> tuple[Measured, None]:
        return self._measured(model, BEFORE)[0], None

    def after(self, folder: str) -> tuple[Measured, Signature]:
        return self._measured(folder, AFTER)

    def _measured(self, model: str, phase: str) -> tuple[Measured, Signature]:
        embedder = create_embedder(model, kind=self._kind)
        done = 0

        def show(count: int) -> None:
            nonlocal done
            done += count
            self._progress(phase, done, len(self._texts))

        documents: Any = embedder.embed_documents(self._texts, on_progress=show)
        scores = _scores(embedder, documents)
        ranked = {
            key: best_documents(scores(query), self._keys)
            for key, query in self._held_out.queries.items()
        }
        return measured(self._held_out, ranked), embedder.signature


def _scores(embedder: Embedder, documents: Any) -> Callable[[str], NDArray[np.float32]]:
    """A function from a query to its score with each document: dot products, or MaxSim."""
    embed: Callable[[str], Any] = embedder.embed_query
    if embedder.kind == "dense":
        return lambda query: documents @ embed(query)
    if embedder.kind == "sparse":
        from scipy.sparse import csr_array, vstack

        matrix = csr_array(vstack([each.to_coo() for each in documents]))
        return lambda query: matrix @ embed(query).to_numpy()
    return lambda query: max_sim_scores(embed(query), documents)


def best_documents(scores: NDArray[np.float32], keys: NDArray[Any]) -> list[str]:
    """Documents by their best chunks, whose keys these are; of equal scores the first comes first.

    A chunk without a score, which has no token, comes last.
    """
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    return list(dict.fromkeys(keys[order]))[:DEPTH]


class ByPairs:
    """The hits of a search with the collection's settings, and their order by a reranker."""

    def __init__(
        self,
        retriever: Retriever,
        collection: str,
        candidates: int,
        chunks: int,
        held_out: Judgements,
        progress: Progress,
    ) -> None:
        self.chunks = chunks
        self._held_out = held_out
        self._progress = progress
        self._hits = {}
        for number, (key, query) in enumerate(held_out.queries.items(), 1):
            self._hits[key] = retriever.search(
                collection, query, max_results=candidates, per_document=1, rerank=False
            )
            progress("searching what is reranked", number, len(held_out.queries))

    def before(self, model: str) -> tuple[Measured, Measured | None]:
        found = {key: [hit.document_key for hit in hits] for key, hits in self._hits.items()}
        base = self._reranked(model, BEFORE) if scores_pairs(model) else None
        return measured(self._held_out, found), base

    def after(self, folder: str) -> tuple[Measured, None]:
        return self._reranked(folder, AFTER), None

    def _reranked(self, model: str, phase: str) -> Measured:
        reranker = CrossEncoderReranker(model)
        ranked: dict[str, list[str]] = {}
        for number, (key, hits) in enumerate(self._hits.items(), 1):
            query = self._held_out.queries[key]
            scores = reranker.score(query, [reranked_text(hit) for hit in hits])
            order = np.argsort(-scores, kind="stable")
            ranked[key] = [hits[place].document_key for place in order]
            self._progress(phase, number, len(self._hits))
        return measured(self._held_out, ranked)
