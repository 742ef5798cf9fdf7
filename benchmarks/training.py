"""What training on a collection's own judged queries gains, on queries that were held out.

    python benchmarks/training.py --data ../shared/data --collection nl2bash

In this order: a cross-encoder, trained from the weights of the default embedding model with a new
last layer, orders the hits of hybrid search again, and those of semantic search alone; the default
model, fine-tuned, searches exactly among all chunks; and the same with the scores of that
cross-encoder instead of the judgements (MarginMSE). The negatives are what keyword and semantic
search find for the queries that are learned from.

Before anything is printed it is checked that no held-out query was learned from, nor any document
that answers one. Intervals are of 95 %, by the bootstrap over queries; p by the paired
randomisation test. On two cores the three take about an hour for nl2bash.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from judged import read_judged
from servers import opened

from retrieval import Document, Retriever
from retrieval.embedding import DEFAULT_MODEL
from retrieval.evaluation.measures import measure_rankings
from retrieval.evaluation.rankings import rank_documents
from retrieval.evaluation.search_settings import SearchSettings
from retrieval.evaluation.significance import paired_difference
from retrieval.golden_sets.judgements import Judgements
from retrieval.training import TrainedModel, train
from retrieval.training.card import measures_table
from retrieval.training.material import Division, divided

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
MEASURE = "nDCG@10"


def filled(retriever: Retriever, data: Path, name: str) -> Judgements:
    """Load a judged collection, unless it is there already."""
    judged = read_judged(data, name, 0)
    if name not in {each.name for each in retriever.collections()}:
        retriever.create_collection(name, text_config=judged.text_config)
        documents = (
            Document(each["document_key"], each["content"], title=each["title"] or None)
            for each in judged.documents
        )
        retriever.ingest(name, documents)
    return Judgements(judged.questions, judged.judgements)


def check(division: Division) -> None:
    """Nothing that is measured may be learned."""
    held_out = division.held_out
    for part in (division.learned, division.validation):
        if part.queries.keys() & held_out.queries.keys() or answers(part) & answers(held_out):
            raise SystemExit("a held-out query, or a document that answers one, is learned from")


def answers(judgements: Judgements) -> set[str]:
    """The documents that are judged relevant."""
    graded = (each.items() for each in judgements.relevance.values())
    return {key for grades in graded for key, grade in grades if grade > 0}


def trainings(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each training, and its arguments."""
    shared = {"max_tokens": arguments.max_tokens, "seed": arguments.seed}
    reranker = arguments.output / "reranker"
    yield (
        "reranker",
        {
            "kind": "reranker",
            "model": DEFAULT_MODEL,
            "epochs": arguments.reranker_epochs,
            "batch_size": 16,
            "learning_rate": 5e-5,
            "candidates": arguments.candidates,
            **shared,
        },
    )
    dense = {"kind": "dense", "epochs": arguments.epochs, "learning_rate": 5e-5, **shared}
    yield "dense", {**dense, "negatives": 2}
    yield "distilled", {**dense, "distil_from": str(reranker)}


def report(name: str, trained: TrainedModel) -> None:
    print(f"\n{name}: {trained.examples} examples, {trained.fitted.steps} steps, "
          f"{trained.seconds:,.0f} s; {trained.held_out} held-out queries")  # fmt: skip
    for measure, before, after, gain, chance in measures_table(trained):
        print(f"    {measure:8}  {before}  {after}  {gain}  p {chance}")


def report_semantic(
    retriever: Retriever, name: str, held_out: Judgements, reranker: Path, candidates: int
) -> None:
    """The hits of semantic search alone, as they are and reranked."""
    scores = []
    for rerank in (False, str(reranker)):
        arguments = {"legs": ["semantic"], "rerank": rerank}
        if rerank:
            arguments["rerank_candidates"] = candidates
        settings = SearchSettings("semantic", arguments)
        found = rank_documents(retriever, name, held_out.queries, settings, depth=10)
        by_query = measure_rankings(held_out.relevance, found.document_keys, [MEASURE])
        scores.append([each[MEASURE] for each in by_query.values()])
    before, after = (sum(each) / len(each) for each in scores)
    gain = paired_difference(*scores)
    print(f"    semantic search alone, reranked: {MEASURE} {before:.3f}  {after:.3f}  "
          f"{gain.mean:+.3f} ({gain.interval.low:+.3f} to {gain.interval.high:+.3f})  "
          f"p {gain.p_value:.4f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--collection", default="nl2bash")
    parser.add_argument("--database-url", default=None)
    parser.add_argument("--output", type=Path, default=None, help="where the models stay")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--reranker-epochs", type=float, default=4)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, opened(arguments.database_url) as engine:
        arguments.output = arguments.output or Path(folder)
        retriever, name = Retriever(engine), arguments.collection
        judgements = filled(retriever, arguments.data, name)
        documents = {key for grades in judgements.relevance.values() for key in grades}
        division = divided(judgements, documents, held_out=0.3, seed=arguments.seed)
        check(division)
        for each, options in trainings(arguments):
            output = arguments.output / each
            trained = train(retriever, name, output=output, judgements=judgements, **options)
            report(each, trained)
            if each == "reranker":
                report_semantic(retriever, name, division.held_out, output, arguments.candidates)


if __name__ == "__main__":
    main()
