"""Finds the cheapest search that reaches a recall, and stores it with the space."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, text

from retrieval import orm
from retrieval.embedding.spaces import KnownSpaces
from retrieval.errors import InvalidInput
from retrieval.spaces.progress import Progress, silent
from retrieval.spaces.summary import space_row
from retrieval.steps import Compute, Query, Steps

HNSW_EFFORTS = (10, 20, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000)
OVERSAMPLINGS = (1, 2, 4, 8, 16, 32)
MOST_PROBES = 32_768
# queries measured between two signs of progress
BATCH = 25


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one setting reached: recall@k against exact search, and its mean time in ms."""

    search_effort: int
    oversampling: int
    recall: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """The settings measured, and the cheapest that reaches the recall; None where none does.

    `chunks` is how many there were: among more of them, the same search misses more. How the whole
    collection ranks is tuned by `retrieval.evaluation.tuning.tune`.
    """

    space: str
    chunks: int
    index_method: str
    target_recall: float
    queries: int
    real_queries: bool
    measurements: list[Measurement]
    chosen: Measurement | None
    stored: bool


def tune_steps(
    collection: str,
    known_spaces: KnownSpaces,
    *,
    space: str | None = None,
    recall: float = 0.98,
    queries: Sequence[str] | None = None,
    sample: int = 200,
    max_results: int = 10,
    store: bool = True,
    on_progress: Progress | None = None,
) -> Steps[Tuning]:
    """Measure every setting on real queries or, without any, on a sample of the chunks.

    A chunk's own embedding is not counted among what it finds. Questions lie farther from the
    chunks than chunks from each other and are harder to find neighbours of: real ones are better.
    """
    if not 0 < recall <= 1:
        raise InvalidInput(f"recall must be above 0 and at most 1, not {recall}")
    row = yield Query(partial(_checked_row, collection=collection, space=space))
    if queries:
        known = yield Compute(partial(known_spaces.known, row))
        vectors, chunk_ids = (yield Compute(partial(known.embed_queries, queries))), None
    else:
        take = partial(_sampled, collection=collection, row=row, sample=sample)
        vectors, chunk_ids = yield Query(take)
    if len(vectors) == 0:
        raise InvalidInput(f"space {row.name} of collection {collection} has no embedding to try")
    measurements = yield from _measurements(
        collection, row, vectors, chunk_ids, max_results, on_progress or silent
    )
    chosen = cheapest(measurements, recall)
    if chosen and store:
        yield Query(partial(_store, collection=collection, row=row, chosen=chosen))
    return Tuning(
        row.name,
        row.embeddings,
        row.index_method,
        recall,
        len(vectors),
        bool(queries),
        measurements,
        chosen,
        bool(chosen and store),
    )


def _measurements(
    collection: str,
    row: Any,
    vectors: Sequence[Any],
    chunk_ids: Sequence[int] | None,
    max_results: int,
    progress: Progress,
) -> Steps[list[Measurement]]:
    """Every setting on all queries, some of them at a time."""
    efforts = yield Query(partial(_efforts, row=row))
    totals: dict[tuple[int, int], list[float]] = {}
    for start in range(0, len(vectors), BATCH):
        batch = slice(start, start + BATCH)
        measure = partial(
            _measure,
            collection=collection,
            row=row,
            vectors=vectors[batch],
            chunk_ids=chunk_ids[batch] if chunk_ids else None,
            efforts=efforts,
            max_results=max_results,
        )
        for each in (yield Query(measure)):
            total = totals.setdefault((each.oversampling, each.search_effort), [0.0, 0.0])
            total[0] += each.recall * len(vectors[batch])
            total[1] += each.milliseconds * len(vectors[batch])
        progress("measuring", min(start + BATCH, len(vectors)), len(vectors))
    return [
        Measurement(effort, oversampling, found / len(vectors), spent / len(vectors))
        for (oversampling, effort), (found, spent) in totals.items()
    ]


def cheapest(measurements: Sequence[Measurement], recall: float) -> Measurement | None:
    """The setting that reads least among those that reach the recall.

    By what is read rather than by time, which one measurement on a busy machine does not settle.
    """
    reached = [each for each in measurements if each.recall >= recall]
    cost = {each: each.search_effort + 10 * each.oversampling for each in reached}
    return min(reached, key=lambda each: (cost[each], -each.recall), default=None)


def _checked_row(connection: Connection, collection: str, space: str | None) -> Any:
    row = space_row(connection, collection, space, "dense")
    if row.index_method == "none":
        raise InvalidInput(f"space {row.name} is searched exactly: there is nothing to tune")
    if not row.indexed:
        raise InvalidInput(f"space {row.name} has no index yet; run: retrieval spaces build")
    return row


def _sampled(
    connection: Connection, collection: str, row: Any, sample: int
) -> tuple[list[Any], list[int]]:
    rows = connection.execute(orm.sample_embeddings_statement(collection, row.name, sample)).all()
    return [each.embedding for each in rows], [each.chunk_id for each in rows]


def _efforts(connection: Connection, row: Any) -> tuple[int, ...]:
    """Those of an HNSW index, or powers of two up to the lists of an IVFFlat index."""
    if row.index_method == "hnsw":
        return HNSW_EFFORTS
    lists = connection.scalar(
        text("select retrieval._index_lists(s) from retrieval.spaces s where s.space_id = :id"),
        {"id": row.space_id},
    )
    probes = [1 << power for power in range(16) if 1 << power < (lists or 1)]
    return (*probes, min(lists or 1, MOST_PROBES))


def _measure(
    connection: Connection,
    collection: str,
    row: Any,
    vectors: Sequence[Any],
    chunk_ids: Sequence[int] | None,
    efforts: Sequence[int],
    max_results: int,
) -> list[Any]:
    statement = orm.measure_recall_statement(
        collection,
        row.name,
        vectors,
        search_efforts=list(efforts),
        oversamplings=list(OVERSAMPLINGS) if row.quantization == "bit" else [1],
        max_results=max_results,
        query_chunk_ids=list(chunk_ids) if chunk_ids else None,
    )
    return list(connection.execute(statement))


def _store(connection: Connection, collection: str, row: Any, chosen: Measurement) -> None:
    options = dict(row.search_options) | {"search_effort": chosen.search_effort}
    if row.quantization == "bit":
        options["oversampling"] = chosen.oversampling
    called = orm.call(
        "set_search_options", collection=collection, space=row.name, search_options=options
    )
    connection.execute(select(called))


def plot_tuning(tuning: Tuning, path: Path) -> None:
    """Save the curve of recall against time, one line for each oversampling, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for oversampling in sorted({each.oversampling for each in tuning.measurements}):
        points = [each for each in tuning.measurements if each.oversampling == oversampling]
        label = None if oversampling == 1 else f"oversampling {oversampling}"
        axes.plot(
            [each.milliseconds for each in points],
            [each.recall for each in points],
            marker=".",
            label=label,
        )
    axes.axhline(tuning.target_recall, linestyle=":", color="grey")
    if tuning.chosen:
        axes.plot(tuning.chosen.milliseconds, tuning.chosen.recall, "o", fillstyle="none", ms=12)
    axes.set(
        xlabel="milliseconds per search",
        ylabel="recall@10",
        title=f"space {tuning.space}: {tuning.queries} queries",
    )
    if any(each.oversampling > 1 for each in tuning.measurements):
        axes.legend()
    figure.savefig(path, dpi=150, format="png")
