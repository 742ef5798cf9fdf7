"""Which embedding model suits a collection: quality, dimensions, storage and speed of several."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from retrieval.embedding import Embedder, create_embedder
from retrieval.embedding.embedder import Floats
from retrieval.embedding.model_size import ModelSize, model_size
from retrieval.errors import InvalidInput, ModelUnavailable, RetrievalError
from retrieval.evaluation.active_space import active_embedder
from retrieval.evaluation.chosen_judgements import chosen_judgements
from retrieval.evaluation.exact_ranking import exact_rankings, normalised
from retrieval.evaluation.measures import measure_rankings
from retrieval.evaluation.model_sample import ModelSample, read_sample
from retrieval.evaluation.significance import (
    Difference,
    Interval,
    confidence_interval,
    paired_difference,
)
from retrieval.golden_sets.judgements import Judgements
from retrieval.search import Retriever
from retrieval.search.loaded_models import PROBE
from retrieval.spaces.progress import Progress, silent

DEFAULT_SAMPLE = 2_000
DEFAULT_DIMENSIONS = (512, 256, 128, 64)
MOST_STORED_DIMENSIONS = 4_000
NDCG, RECALL = "nDCG@10", "R@100"
DEPTH = 100


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What a model, or the first dimensions of its vectors, are worth and cost.

    The measures are means over the queries. `difference` is that of nDCG@10 to the first row, which
    has none. `storage_bytes` are what a space of the whole collection would take with its HNSW
    index, of half-precision vectors; None of more dimensions than a space can have. Speeds are
    those of this machine: of chunks one batch after the other, of queries one by one, the median.
    `parameters` and `weight_bytes` are None for a model that is not on this machine.
    """

    model: str
    dimensions: int
    full_dimensions: int
    is_active: bool
    ndcg: float
    ndcg_interval: Interval | None
    recall: float
    difference: Difference | None
    storage_bytes: int | None
    chunks_per_second: float
    milliseconds_per_query: float
    parameters: int | None
    weight_bytes: int | None


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Models side by side: the active space's first, each with its truncations after it.

    Unless `is_whole`, there is less among the sample to be mistaken for an answer than in the whole
    collection, and every number is higher than it would be there. `missing_documents` are judged,
    but not in the collection.
    """

    collection: str
    queries: int
    documents: int
    chunks: int
    all_documents: int
    all_chunks: int
    is_whole: bool
    missing_documents: int
    results: list[ModelResult]


@dataclass(frozen=True, slots=True)
class _Embedded:
    """The vectors of one model, and how long they took."""

    model: str
    is_active: bool
    chunks: Floats
    queries: Floats
    chunks_per_second: float
    milliseconds_per_query: float
    size: ModelSize


class _Row(NamedTuple):
    """So many dimensions of a model's vectors, with the measures of each query."""

    made: _Embedded
    length: int
    measured: Mapping[str, Mapping[str, float]]


def compare_models(
    retriever: Retriever,
    collection: str,
    models: Sequence[str | Embedder],
    *,
    golden_set: str = "default",
    judgements: Judgements | None = None,
    sample: int = DEFAULT_SAMPLE,
    dimensions: Sequence[int] = DEFAULT_DIMENSIONS,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> ModelComparison:
    """Embed a sample of a collection with dense models, and ask the judged queries.

    The model of the active space is always among them. The sample has all judged documents, and
    others up to `sample` documents. Chunks are those that are stored, cut for the active model, and
    the search is exact, in memory. All models are loaded before any embeds; ModelUnavailable names
    those that cannot be.
    """
    if sample < 1:
        raise InvalidInput(f"sample must be at least 1 document, not {sample}")
    if any(length < 1 for length in dimensions):
        raise InvalidInput(f"dimensions must be at least 1, not {min(dimensions)}")
    judged = chosen_judgements(retriever, collection, judgements, golden_set)
    keys = {key for grades in judged.relevance.values() for key in grades}
    chosen = read_sample(retriever, collection, keys, documents=sample, seed=seed)
    active = active_embedder(retriever, collection)
    embedders = _loaded(active, models)
    progress = on_progress or silent
    rows: list[_Row] = []
    for embedder in embedders:
        made = _embed(embedder, embedder is active, chosen, judged, progress)
        for length in _lengths(made.chunks.shape[1], dimensions):
            rows.append(_Row(made, length, _measure(made, length, chosen, judged)))
    return ModelComparison(
        collection,
        len(judged.queries),
        chosen.documents,
        len(chosen.texts),
        chosen.all_documents,
        chosen.all_chunks,
        chosen.is_whole,
        len(keys.difference(chosen.document_keys)),
        list(_results(retriever, rows, chosen.all_chunks)),
    )


def _loaded(active: Embedder | None, models: Sequence[str | Embedder]) -> list[Embedder]:
    """The active space's embedder and the others, each once, after they have embedded something."""
    embedders = [] if active is None else [active]
    failures = []
    for model in models:
        try:
            embedder = create_embedder(model) if isinstance(model, str) else model
            if embedder.kind != "dense":
                raise InvalidInput(f"model {embedder.model} is {embedder.kind}, not dense")
            embedder.embed_query(PROBE)
            if not any(_same(embedder, other) for other in embedders):
                embedders.append(embedder)
        except RetrievalError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ModelUnavailable("; ".join(str(each) for each in failures))
    if not embedders:
        raise InvalidInput("name a model to compare")
    return embedders


def _same(embedder: Embedder, other: Embedder) -> bool:
    return embedder is other or embedder.signature.matches(other.signature)


def _embed(
    embedder: Embedder,
    is_active: bool,
    sample: ModelSample,
    judgements: Judgements,
    progress: Progress,
) -> _Embedded:
    phase, done = f"embedding with {embedder.model}", 0

    def show(count: int) -> None:
        nonlocal done
        done += count
        progress(phase, done, len(sample.texts))

    started = time.perf_counter()
    chunks = embedder.embed_documents(sample.texts, on_progress=show)
    rate = len(sample.texts) / (time.perf_counter() - started)
    queries, times = [], []
    for query in judgements.queries.values():
        started = time.perf_counter()
        queries.append(embedder.embed_query(query))
        times.append(1000 * (time.perf_counter() - started))
    return _Embedded(
        embedder.model,
        is_active,
        np.asarray(chunks, dtype=np.float32),
        np.asarray(queries, dtype=np.float32),
        rate,
        median(times),
        model_size(embedder),
    )


def _lengths(full: int, dimensions: Sequence[int]) -> list[int]:
    return [full, *sorted({length for length in dimensions if length < full}, reverse=True)]


def _measure(
    made: _Embedded, length: int, sample: ModelSample, judgements: Judgements
) -> dict[str, dict[str, float]]:
    queries, chunks = normalised(made.queries, length), normalised(made.chunks, length)
    rankings = exact_rankings(queries, chunks, sample.document_keys, DEPTH)
    found = dict(zip(judgements.queries, rankings, strict=True))
    return measure_rankings(judgements.relevance, found, (NDCG, RECALL))


def _results(retriever: Retriever, rows: Sequence[_Row], all_chunks: int) -> Iterator[ModelResult]:
    first: list[float] | None = None
    for made, length, measured in rows:
        ndcg = [each[NDCG] for each in measured.values()]
        difference = None if first is None else paired_difference(first, ndcg)
        first = first or ndcg
        yield ModelResult(
            made.model,
            length,
            made.chunks.shape[1],
            made.is_active,
            float(np.mean(ndcg)),
            confidence_interval(ndcg),
            float(np.mean([each[RECALL] for each in measured.values()])),
            difference,
            _storage(retriever, all_chunks, length),
            made.chunks_per_second,
            made.milliseconds_per_query,
            made.size.parameters,
            made.size.weight_bytes,
        )


def _storage(retriever: Retriever, chunks: int, dimensions: int) -> int | None:
    if dimensions > MOST_STORED_DIMENSIONS:
        return None
    for each in retriever.spaces.estimate(chunks, dimensions):
        if (each.index_method, each.quantization) == ("hnsw", "half"):
            return each.heap_bytes + each.index_bytes
    return None
