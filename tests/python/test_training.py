"""Training, with tiny models that learn which word stands for which."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from command_line import Run

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.embedding import create_embedder
from retrieval.errors import ConfigurationError, InvalidInput
from retrieval.golden_sets.judgements import Judgements
from retrieval.reranking import CrossEncoderReranker, WordOverlapReranker
from retrieval.training import (
    TrainedKind,
    TrainedModel,
    TrainingExample,
    TrainingOptions,
    kinds,
    mine_negatives,
    train,
    write_examples,
)
from retrieval.training.columns import columns_of
from retrieval.training.fit import fit

# each word of a query stands for one of a document
STANDS_FOR = {
    "bread": "butter",
    "cat": "dog",
    "how": "every",
    "key": "month",
    "rotate": "sign",
    "query": "document",
    "the": "to",
}
ASKED = [*combinations(STANDS_FOR, 2), *combinations(STANDS_FOR, 1)]
FAST: dict[str, Any] = {"batch_size": 8, "negatives": 1, "held_out": 0.25, "learning_rate": 5e-3}
JUDGED = Judgements(
    {"-".join(words): " ".join(words) for words in ASKED},
    {"-".join(words): {"-".join(words): 1} for words in ASKED},
)


@pytest.fixture(scope="module")
def words(module_database_url: str) -> Iterator[Retriever]:
    """A collection whose documents say in other words what the queries ask."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder(32)) as opened:
        opened.create_collection("words", text_config="simple")
        answers = (" ".join(STANDS_FOR[word] for word in words) for words in ASKED)
        opened.ingest("words", map(Document, JUDGED.queries, answers))
        yield opened


@pytest.fixture
def one_thread() -> Iterator[None]:
    """What is so small takes longer with several."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test of the module."""


@pytest.fixture(scope="module")
def examples(words: Retriever) -> list[TrainingExample]:
    """With the words of the documents as the negatives' scores."""
    return mine_negatives(words, "words", JUDGED, per_query=1, reranker=WordOverlapReranker())


def test_a_dense_model_learns_and_its_space_is_rolled_out(
    words: Retriever, tiny_dense_model: Path, tmp_path: Path
) -> None:
    trained = train(
        words,
        "words",
        "dense",
        output=tmp_path / "trained",
        judgements=JUDGED,
        model=str(tiny_dense_model),
        epochs=6,
        patience=0,
        matryoshka=[16],
        **{**FAST, "learning_rate": 1e-2},
    )
    assert trained.after.means["RR@10"] > trained.before.means["RR@10"] + 0.3
    assert (trained.examples, trained.held_out) == (19, 7) and trained.disjoint  # 2 to check by
    assert not (tmp_path / "trained.partial").exists()
    assert "| nDCG@10 |" in (trained.folder / "README.md").read_text()
    embedder = create_embedder(str(trained.folder))
    assert embedder.signature == trained.signature
    assert not embedder.signature.matches(create_embedder(str(tiny_dense_model)).signature)
    migration = words.spaces.migrate("words", embedder, space="trained", activate=False)
    assert migration.embedded == len(ASKED)
    (first,) = words.search("words", "cat key", legs=["semantic"], space="trained", max_results=1)
    assert first.document_key == "cat-key"


@pytest.mark.parametrize(
    ("kind", "losses"),
    [
        ("dense", ["triplet", "contrastive", "cosine", "margin-mse"]),
        ("reranker", ["mnrl", "bce", "margin-mse"]),
        ("sparse", ["mnrl", "triplet", "cosine", "margin-mse"]),
        ("multivector", ["mnrl", "margin-mse"]),
    ],
)
def test_each_loss_changes_weights(
    kind: TrainedKind,
    losses: list[str],
    examples: list[TrainingExample],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    fixture = {
        "dense": "tiny_dense_model",
        "reranker": "tiny_cross_encoder",
        "sparse": "tiny_sparse_model",
        "multivector": "tiny_multi_vector_model",
    }[kind]
    for loss in losses:
        encoder = kinds.load_base(str(request.getfixturevalue(fixture)), kind, 0)
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        options = TrainingOptions(kind=kind, loss=loss, max_steps=1, **FAST)
        columns = columns_of(examples, loss, 1, 0)
        fitted = fit(encoder, options, columns, None, tmp_path, None, lambda *_: None)
        assert fitted.steps == 1 and fitted.loss is None
        changed = [
            name for name, value in encoder.state_dict().items() if (value != before[name]).any()
        ]
        assert changed, loss


def test_a_reranker_from_a_model_that_embeds(
    words: Retriever, tiny_dense_model: Path, tmp_path: Path
) -> None:
    trained = train(
        words,
        "words",
        "reranker",
        output=tmp_path / "trained",
        judgements=JUDGED,
        model=str(tiny_dense_model),
        max_steps=2,
        candidates=5,
        bfloat16=True,
        **FAST,
    )
    assert trained.signature is None and trained.base is None
    found = words.search("words", "cat key", rerank=str(trained.folder))
    assert found[0].rerank_score is not None
    scores = CrossEncoderReranker(str(trained.folder)).score("cat key", ["dog month", "to"])
    assert scores.shape == (2,) and scores[0] != scores[1]


def test_a_resumed_training_ends_where_one_without_interruption_does(
    words: Retriever, tiny_dense_model: Path, tmp_path: Path
) -> None:
    def run(name: str, stop_after: int | None = None, **options: Any) -> TrainedModel:
        def interrupt(phase: str, done: int, total: int) -> None:
            if phase == "training" and done == stop_after:
                raise KeyboardInterrupt

        return train(
            words,
            "words",
            "dense",
            output=tmp_path / name,
            judgements=JUDGED,
            model=str(tiny_dense_model),
            epochs=4,
            on_progress=interrupt,
            **FAST,
            **options,
        )

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("parts", stop_after=4)
    assert not (tmp_path / "parts").exists()
    with pytest.raises(InvalidInput, match="go on with it by resume"):
        run("parts")
    with pytest.raises(InvalidInput, match="begun with seed 0, not 1"):
        run("parts", resume=True, seed=1)
    parts = run("parts", resume=True)
    assert whole.signature and parts.signature
    assert whole.signature.weights_sha256 == parts.signature.weights_sha256
    assert whole.fitted == parts.fitted and whole.difference == parts.difference
    with pytest.raises(InvalidInput, match="not empty"):
        run("parts", resume=True)


def test_it_stops_when_it_gets_no_better(
    words: Retriever, tiny_dense_model: Path, tmp_path: Path
) -> None:
    trained = train(
        words,
        "words",
        "dense",
        output=tmp_path / "trained",
        judgements=JUDGED,
        model=str(tiny_dense_model),
        epochs=30,
        patience=1,
        **{**FAST, "learning_rate": 3.0},
    )
    assert trained.fitted.stopped_early
    assert trained.fitted.best_step < trained.fitted.steps < 30


def test_what_a_query_is_measured_by_is_not_learned(
    words: Retriever,
    examples: list[TrainingExample],
    tiny_cross_encoder: Path,
    tmp_path: Path,
    command: Run,
) -> None:
    """Where examples alone are given, they are the judgements too."""
    write_examples(tmp_path / "examples.jsonl", examples)
    given = ["--examples", str(tmp_path / "examples.jsonl"), "--model", str(tiny_cross_encoder)]
    settings = ["--output", str(tmp_path / "trained"), "--max-steps", "1", "--batch-size", "4"]
    url = ["--database-url", words.engine.url.render_as_string(hide_password=False)]
    done = command("train", "reranker", "words", *given, *settings, *url, "--json")
    assert done.code == 0 and "example/s" not in done.err, done.err
    checked = 2  # beside those that are held out
    assert done.json["held_out"] == 8 and done.json["examples"] == len(ASKED) - 8 - checked
    assert done.json["difference"].keys() == {"nDCG@10", "RR@10", "R@100"}
    assert done.json["base"] is not None
    shown = command("train", "reranker", "words", *given, *settings, *url)
    assert "not empty" in shown.error


def test_nothing_is_left_of_what_cannot_be_trained(
    words: Retriever, tiny_dense_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**options: Any) -> str:
        shared = {"output": tmp_path / "trained", "model": str(tiny_dense_model)}
        with pytest.raises((InvalidInput, ConfigurationError)) as error:
            train(words, "words", **{"kind": "dense", "judgements": JUDGED, **shared, **options})
        assert not list(tmp_path.iterdir())
        return str(error.value)

    assert "fewer than a batch of 500" in refused(batch_size=500)
    assert refused(judgements=Judgements({}, {})) == "there is no judged query to learn from"
    elsewhere = Judgements({"q": "cat"}, {"q": {"nowhere": 1}})
    assert "document of the collection" in refused(judgements=elsewhere)
    assert "vectors of 32" in refused(matryoshka=[64])
    assert "for kind reranker: mnrl, bce" in refused(kind="reranker", loss="triplet")
    assert "name the cross-encoder to distil from" in refused(loss="margin-mse")
    assert "distil_from is for loss" in refused(loss="cosine", distil_from="word-overlap")
    assert "not 'other'" in refused(kind="other")
    unknown = [TrainingExample("cat", "no text of a chunk", ("to",))]
    assert "nothing can be measured" in refused(examples=unknown, judgements=None)
    monkeypatch.setattr(kinds, "NEEDED", ("datasets_of_another_world",))
    assert "pip install 'retrieval[train]'" in refused()


def test_out_of_memory_says_what_to_change(
    words: Retriever, tiny_dense_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformerTrainer

    def exhausted(*_: Any, **__: Any) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: out of memory")

    monkeypatch.setattr(SentenceTransformerTrainer, "train", exhausted)
    with pytest.raises(InvalidInput, match="batches of 8: take a smaller"):
        model = str(tiny_dense_model)
        output = tmp_path / "trained"
        train(words, "words", "dense", output=output, judgements=JUDGED, model=model, **FAST)
    assert not list(tmp_path.iterdir())
