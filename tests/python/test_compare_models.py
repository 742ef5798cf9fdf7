"""Models side by side on a collection's chunks, in memory."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from sqlalchemy import text

from retrieval import (
    Document,
    HashingEmbedder,
    InvalidInput,
    ModelUnavailable,
    NotFound,
    Retriever,
    SparseHashingEmbedder,
)
from retrieval.embedding import SentenceTransformerEmbedder
from retrieval.embedding.model_size import ModelSize, model_size
from retrieval.evaluation.exact_ranking import exact_rankings, normalised
from retrieval.evaluation.model_comparison import compare_models
from retrieval.evaluation.model_plot import plot_models
from retrieval.golden_sets.judgements import Judgements

WORDS = ("amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty")
DOCUMENTS = [
    Document(f"{first} {second}", f"The {first} of the {second}, number {row * 10 + column}.")
    for row, first in enumerate(WORDS)
    for column, second in enumerate(WORDS)
    if row < column
]
JUDGED = Judgements(
    {"a": "amber of the basil", "b": "number of fjord and grove", "c": "jetty", "d": "lost"},
    {
        "a": {"amber basil": 2, "amber cedar": 1},
        "b": {"fjord grove": 1},
        "c": {"inlet jetty": 1, "heron jetty": 1},
        "d": {"gone": 1},
    },
)


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Retriever]:
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("woods")
        opened.ingest("woods", DOCUMENTS)
        yield opened


def test_the_whole_collection_is_measured_exactly(filled: Retriever) -> None:
    compared = compare_models(
        filled, "woods", ["hashing:256"], judgements=JUDGED, dimensions=(32, 512)
    )
    assert compared.is_whole and compared.documents == compared.all_documents == 45
    assert (compared.chunks, compared.queries, compared.missing_documents) == (45, 4, 1)
    found = [(each.model, each.dimensions, each.is_active) for each in compared.results]
    assert found == [
        *(("hashing", 64, True), ("hashing", 32, True)),
        *(("hashing:256", 256, False), ("hashing:256", 32, False)),
    ]
    active, short, large, _ = compared.results
    by_search = []
    for key, query in JUDGED.queries.items():
        hits = filled.search("woods", query, legs=["semantic"], max_results=10)
        gains = [JUDGED.relevance[key].get(hit.document_key, 0) for hit in hits]
        best = sorted(JUDGED.relevance[key].values(), reverse=True)
        by_search.append(_gain(gains) / _gain(best))
    assert active.ndcg == pytest.approx(np.mean(by_search), abs=0.02)
    assert active.difference is None and active.ndcg_interval is not None
    assert large.difference is not None and short.difference is not None
    assert large.difference.mean == pytest.approx(large.ndcg - active.ndcg)
    assert large.ndcg > short.ndcg and 0 <= active.recall <= 0.75  # one is not there
    estimated = filled.spaces.estimate(45, 256)
    stored = {each.heap_bytes + each.index_bytes for each in estimated}
    assert large.storage_bytes in stored and large.chunks_per_second > 0
    assert large.parameters is None and large.weight_bytes is None


def _gain(gains: list[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def test_a_sample_has_the_judged_documents(filled: Retriever) -> None:
    small = compare_models(filled, "woods", [], judgements=JUDGED, sample=1, dimensions=())
    assert (small.documents, small.all_documents, small.is_whole) == (5, 45, False)
    some = compare_models(filled, "woods", [], judgements=JUDGED, sample=20, dimensions=())
    assert some.documents == 20 and some.all_chunks == 45
    assert small.results[0].recall >= some.results[0].recall


def test_models_of_one_signature_are_embedded_once(filled: Retriever) -> None:
    given = [HashingEmbedder(), "hashing:64", "hashing:16"]
    compared = compare_models(filled, "woods", given, judgements=JUDGED, dimensions=())
    assert [each.model for each in compared.results] == ["hashing", "hashing:16"]


def test_every_model_is_loaded_before_any_embeds(filled: Retriever) -> None:
    class Counting(HashingEmbedder):
        embedded = 0

        def embed_documents(self, texts, **options):  # type: ignore[no-untyped-def]
            Counting.embedded += len(texts)
            return super().embed_documents(texts, **options)

    models = [Counting(16), "/no/such/model", "./neither"]
    with pytest.raises(ModelUnavailable, match=r"such/model.*neither"):
        compare_models(filled, "woods", models, judgements=JUDGED)
    assert Counting.embedded == 0
    with pytest.raises(InvalidInput, match="sparse, not dense"):
        compare_models(filled, "woods", [SparseHashingEmbedder()], judgements=JUDGED)


def test_bad_input(filled: Retriever) -> None:
    with pytest.raises(InvalidInput, match="no judged query"):
        compare_models(filled, "woods", [], judgements=Judgements({}, {}))
    other = Judgements({"q": "x"}, {"q": {"elsewhere": 1}})
    with pytest.raises(InvalidInput, match="none of the judged documents"):
        compare_models(filled, "woods", [], judgements=other)
    for arguments in ({"sample": 0}, {"dimensions": (0,)}):
        with pytest.raises(InvalidInput, match="at least 1"):
            compare_models(filled, "woods", [], judgements=JUDGED, **arguments)  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="nowhere"):
        compare_models(filled, "nowhere", [], judgements=JUDGED)


def test_one_query_has_no_interval(filled: Retriever, tmp_path: Path) -> None:
    one = Judgements({"a": JUDGED.queries["a"]}, {"a": JUDGED.relevance["a"]})
    compared = compare_models(filled, "woods", ["hashing:16"], judgements=one)
    assert compared.results[0].ndcg_interval is None
    assert compared.results[1].difference is not None
    assert compared.results[1].difference.p_value is None
    plot_models(compared, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_chunk_ranks_its_document() -> None:
    chunks = normalised(np.array([[1, 0], [0, 2], [3, 3], [0, 0]], dtype=np.float32))
    queries = normalised(np.array([[0, 1], [1, 0]], dtype=np.float32))
    ranked = exact_rankings(queries, chunks, ["a", "a", "b", "c"], 3)
    assert ranked == [["a", "b", "c"], ["a", "b", "c"]]
    assert exact_rankings(queries, chunks, ["a", "b", "c", "c"], 1) == [["b"], ["a"]]
    assert np.allclose(normalised(chunks, 1)[:, 0], [1, 0, 1, 0])


def test_the_size_of_a_model(tiny_dense_model: Path) -> None:
    embedder = SentenceTransformerEmbedder(str(tiny_dense_model))
    size = model_size(embedder)
    counted = sum(each.numel() for each in embedder._load().encoder.parameters())
    assert size.parameters == counted and size.weight_bytes is not None
    assert size.weight_bytes > 4 * counted
    assert model_size(HashingEmbedder()) == ModelSize()


def test_the_command(command: Run, database_url: str, tmp_path: Path) -> None:
    with Retriever.open(database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("woods")
        retriever.ingest("woods", DOCUMENTS[:12])
    (tmp_path / "queries.jsonl").write_text('{"_id": "a", "text": "amber of the basil"}\n')
    (tmp_path / "qrels.tsv").write_text("a\tamber basil\t1\n")
    judged = ("--judgements", str(tmp_path))
    plot = tmp_path / "models.png"
    shown = command("compare-models", "woods", "hashing:16", *judged, "--plot", str(plot))
    assert shown.code == 0 and "hashing (active)" in shown.out and "exact" in shown.out
    assert plot.stat().st_size > 0
    options = ("--dimensions", "8", "--sample", "1", "--json")
    printed = command("compare-models", "woods", *judged, *options).json
    assert [each["dimensions"] for each in printed["results"]] == [64, 8]
    wrong = command("compare-models", "woods", *judged, "--dimensions", "many")
    assert "--dimensions 'many'" in wrong.error
    assert "folder" in command("compare-models", "woods", *judged, "--plot", "/no/x.png").error
    with Retriever.open(database_url) as retriever, retriever.engine.connect() as connection:
        assert connection.scalar(text("select count(*) from retrieval.spaces")) == 1
