"""What computes a model's vectors on the CPU: how fast each backend is, and what it costs in nDCG.

    python benchmarks/encoders.py --data ../shared/data

The default model embeds the same documents with every backend whose packages are installed
(`pip install 'retrieval[onnx,openvino]'` brings them all; the others are named). Quality first: the
cosine of each vector with PyTorch's, and nDCG@10 of exact search. Vectors that are not PyTorch's
within what the backend's precision explains end the run before a time is printed.

Then time: in each round every backend embeds the same batch, one after the other, and is compared
with PyTorch in that round; so that whatever else runs on the machine slows all of them. Queries,
one at a time, likewise. `--threads 1` goes by the processor's time, which is steadier beside other
work.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ir_measures
import numpy as np
import torch
from judged import Judged, read_judged
from numpy.typing import NDArray

from retrieval import ModelUnavailable
from retrieval.embedding import BACKENDS, Embedder, create_embedder

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
COLLECTIONS = ["cranfield", "cystic-fibrosis", "medline"]
MEASURE = ir_measures.nDCG @ 10
DEPTH = 100
# the least cosine with PyTorch's vectors that a precision explains
LEAST_COSINE = {"int8": 0.9, "bfloat16": 0.999}

Floats = NDArray[np.float32]
Times = dict[str, NDArray[np.float64]]


def opened(backends: list[str]) -> Iterator[tuple[str, Embedder]]:
    """Those of the backends that can be used, PyTorch first."""
    for backend in ("torch", *(each for each in BACKENDS[1:] if each in backends)):
        embedder = create_embedder(backend=backend)
        try:
            embedder.embed_query("warm")
        except ModelUnavailable as error:
            print(f"{backend} is left out: {error}")
        else:
            yield backend, embedder


def texts_of(judged: Judged) -> list[str]:
    return [f"{each['title']}\n{each['content']}".strip() for each in judged.documents]


def quality(judged: Judged, documents: Floats, queries: Floats) -> float:
    """nDCG@10 of the nearest documents."""
    keys = [each["document_key"] for each in judged.documents]
    found = {}
    for query, scores in zip(judged.questions, queries @ documents.T, strict=True):
        best = np.argsort(-scores, kind="stable")[:DEPTH]
        found[query] = {keys[row]: float(scores[row]) for row in best}
    return float(ir_measures.calc_aggregate([MEASURE], judged.judgements, found)[MEASURE])


def compare_quality(embedders: dict[str, Embedder], collections: list[Judged]) -> None:
    """Print a line for each backend and collection; SystemExit for wrong vectors."""
    print(f"\n{'':18}{'cosine with torch':>30}   nDCG@10")
    print(f"{'':18}{'collection':>16}{'mean':>10}{'least':>10}{'':>9}{'loss':>9}")
    for judged in collections:
        expected: Floats | None = None
        reference = 0.0
        for backend, embedder in embedders.items():
            documents = np.asarray(embedder.embed_documents(texts_of(judged)))
            asked = judged.questions.values()
            queries = np.stack([np.asarray(embedder.embed_query(each)) for each in asked])
            value = quality(judged, documents, queries)
            if expected is None:
                expected, reference = documents, value
            cosines = np.sum(documents * expected, axis=1)
            if cosines.min() < LEAST_COSINE.get(backend.partition("-")[2], 0.9999):
                raise SystemExit(f"{backend} computes something else: cosine {cosines.min():.4f}")
            print(
                f"{backend:18}{judged.name:>16}{cosines.mean():10.5f}{cosines.min():10.5f}"
                f"{value:9.4f}{reference - value:9.4f}",
                flush=True,
            )


def measure(
    works: dict[str, Callable[[int], object]], rounds: int, clock: Callable[[], float]
) -> Times:
    """Seconds of each work in each round, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-1, rounds):
        for name, work in works.items():
            start = clock()
            work(number)
            if number >= 0:
                times[name].append(clock() - start)
    return {name: np.array(each) for name, each in times.items()}


def print_times(title: str, unit: str, factor: float, times: Times) -> None:
    """Medians, and each round's ratio to PyTorch in the same round."""
    print(f"\n{title:18}{unit:>16}{'times torch: p50':>20}{'p5':>8}{'p95':>8}")
    reference = times["torch"]
    for backend, seconds in times.items():
        shown = factor / np.median(seconds) if factor > 0 else -factor * np.median(seconds)
        low, middle, high = np.percentile(reference / seconds, [5, 50, 95])
        print(f"{backend:18}{shown:16.1f}{middle:20.2f}{low:8.2f}{high:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--backends", nargs="*", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=64, help="texts of a round")
    parser.add_argument("--rounds", type=int, default=8)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    clock = time.process_time if chosen.threads == 1 else time.perf_counter
    embedders = dict(opened(chosen.backends))
    collections = [read_judged(chosen.data, name, 0) for name in chosen.collections]
    compare_quality(embedders, collections)

    texts = [text for judged in collections for text in texts_of(judged)]
    generator = np.random.default_rng(7)
    batches = [generator.choice(len(texts), chosen.batch) for _ in range(chosen.rounds)]
    questions = [each for judged in collections for each in judged.questions.values()]

    def embed(embedder: Embedder) -> Callable[[int], object]:
        return lambda n: embedder.embed_documents([texts[row] for row in batches[n]])

    def ask(embedder: Embedder) -> Callable[[int], object]:
        return lambda n: embedder.embed_query(questions[n % len(questions)])

    kind = "processor" if chosen.threads == 1 else "elapsed"
    print(f"\n{chosen.threads} threads, {kind} time")
    times = measure({name: embed(each) for name, each in embedders.items()}, chosen.rounds, clock)
    print_times("documents", "texts a second", chosen.batch, times)
    times = measure({name: ask(each) for name, each in embedders.items()}, 100, clock)
    print_times("one query", "milliseconds", -1000, times)


if __name__ == "__main__":
    main()
