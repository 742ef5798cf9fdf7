"""What is learned from: negatives that are mined, their file, and the columns of a loss."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from command_line import Run

from retrieval import Document, HashingEmbedder, Retriever
from retrieval.chunking import Chunking
from retrieval.embedding.embedder import Floats
from retrieval.errors import InvalidInput, NotFound
from retrieval.golden_sets.judgements import Judgements
from retrieval.training import TrainingExample, mine_negatives, read_examples, write_examples
from retrieval.training.columns import columns_of
from retrieval.training.material import divided, judgements_of
from retrieval.training.texts import ChunkText, sampled_chunks

ASKED = Judgements(
    {"rotate": "rotate a key", "bread": "bake bread"},
    {"rotate": {"keys": 2, "lost": 0, "gone": 1}, "bread": {"loaf": 1}},
)
GUIDE = "# Guide\n\n## Bread\n\nBake it with butter.\n\n## Keys\n\nRotate the key every month."


class ByLength:
    """The longer a text the better, so that it is known what comes out."""

    model = "by-length"

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        return np.array([len(text) for text in texts], dtype=np.float32)


@pytest.fixture(scope="module")
def guide(module_database_url: str) -> Iterator[Retriever]:
    """A document of several chunks under headings, and others of one."""
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("guide", chunking=Chunking(maximum_tokens=12))
        documents = [
            Document("keys", GUIDE, title="Manual", metadata={"type": "markdown"}),
            Document("lost", "A lost key is revoked, and nobody asks why."),
            Document("copy", "Bake bread."),
            Document("rota", "Rotate a key by the rota."),
            Document("loaf", "Bake bread."),
            Document("oven", "The oven is hot."),
        ]
        opened.ingest("guide", documents)
        yield opened


def by_query(examples: Sequence[TrainingExample]) -> dict[str, TrainingExample]:
    return {each.query: each for each in examples}


def test_texts_are_those_that_models_are_given(guide: Retriever) -> None:
    """Of a document of several chunks the one that was found; headings are for embedders only."""
    embedded = by_query(mine_negatives(guide, "guide", ASKED))["rotate a key"]
    assert embedded.positive == "Manual\nGuide\n## Keys\n\nRotate the key every month."
    read = by_query(mine_negatives(guide, "guide", ASKED, kind="reranker"))["rotate a key"]
    assert read.positive == "Manual\n## Keys\n\nRotate the key every month."


def test_negatives_are_what_is_found_and_not_judged_relevant(guide: Retriever) -> None:
    found = by_query(mine_negatives(guide, "guide", ASKED, per_query=3))
    negatives = found["rotate a key"].negatives
    assert negatives[0].startswith("A lost key"), "what is judged 0 comes first"
    assert any("rota." in each for each in negatives)
    assert not any("every month" in each for each in negatives)
    others = found["bake bread"].negatives
    assert len(others) == 3 and "Bake bread." not in others, "another document says the same"
    assert len(mine_negatives(guide, "guide", ASKED, per_query=1)[0].negatives) == 1
    everything = by_query(mine_negatives(guide, "guide", ASKED, per_query=9))["bake bread"]
    shuffled = mine_negatives(guide, "guide", ASKED, per_query=9, sampling="random", seed=1)
    again = by_query(shuffled)["bake bread"].negatives
    assert set(again) == set(everything.negatives) and again != everything.negatives
    skipped = mine_negatives(guide, "guide", ASKED, skip_first=5, legs=["keyword"])
    assert by_query(skipped)["bake bread"].negatives == ()


def test_a_reranker_drops_what_scores_like_the_positive(guide: Retriever) -> None:
    found = by_query(
        mine_negatives(guide, "guide", ASKED, per_query=3, reranker=ByLength(), margin=1)
    )
    example = found["bake bread"]
    assert example.negatives == () and example.scores == (len("Bake bread."),)
    everything = mine_negatives(
        guide, "guide", ASKED, per_query=3, reranker=ByLength(), margin=-float("inf")
    )
    kept = by_query(everything)["bake bread"]
    assert kept.scores == tuple(len(each) for each in (kept.positive, *kept.negatives))


def test_what_cannot_be_mined(guide: Retriever) -> None:
    with pytest.raises(NotFound, match="'nowhere'"):
        mine_negatives(guide, "nowhere", ASKED)
    with pytest.raises(InvalidInput, match="no query has a document that is judged relevant"):
        mine_negatives(guide, "guide", Judgements({"q": "key"}, {"q": {"keys": 0}}))
    with pytest.raises(InvalidInput, match="sampling must be top or random, not 'all'"):
        mine_negatives(guide, "guide", ASKED, sampling="all")
    with pytest.raises(InvalidInput, match="has none of the relevant documents"):
        mine_negatives(guide, "guide", Judgements({"q": "key"}, {"q": {"gone": 1}}))


def test_the_command_writes_lines(guide: Retriever, tmp_path: Path, command: Run) -> None:
    (tmp_path / "queries.jsonl").write_text('{"_id": "bread", "text": "bake bread"}\n')
    (tmp_path / "qrels.tsv").write_text("bread\tloaf\t1\n")
    file = tmp_path / "examples.jsonl"
    url = guide.engine.url.render_as_string(hide_password=False)
    source = ["--judgements", str(tmp_path), "--output", str(file), "--database-url", url]
    done = command("train", "negatives", "guide", *source, "--negatives", "2", "--json")
    assert done.code == 0, done.err
    (example,) = read_examples(file)
    assert example.positive == "Bake bread." and done.json["negatives"] == len(example.negatives)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl"
    examples = [
        TrainingExample("wie?", "so\u2028\nso", ("anders",), (1.5, -2)),
        TrainingExample("q", "p"),
    ]
    write_examples(file, examples)
    again = read_examples(file)
    assert [each.to_json() for each in again] == [each.to_json() for each in examples]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"query": "q"}', "positive must be a text"),
        ('{"query": "q", "positive": "p", "negatives": [1]}', "negatives must be"),
        ('{"query": "q", "positive": "p", "scores": [1, 2]}', "scores must be 1 numbers"),
        ('{"query": "q", "positive": "p", "negative": "n"}', "'negative' is not one of"),
    ],
)
def test_a_bad_line_is_named(line: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl"
    file.write_text(f'{{"query": "q", "positive": "p"}}\n\n{line}\n')
    with pytest.raises(InvalidInput, match=rf"line 3: {reason}"):
        read_examples(file)


def test_columns_of_each_loss() -> None:
    scored = [
        TrainingExample("a", "A", ("x", "y"), (3.0, 1.0, 0.5)),
        TrainingExample("b", "B", ("z",), (2.0, 2.5)),
    ]
    assert columns_of(scored, "margin-mse", 2, 0) == {
        "query": ["a", "b"],
        "positive": ["A", "B"],
        "negative_1": ["x", "z"],
        "negative_2": ["y", "z"],
        "label": [[2.0, 2.5], [-0.5, -0.5]],
    }
    assert columns_of(scored, "triplet", 2, 0)["negative"] == ["x", "y", "z"]
    assert columns_of(scored, "bce", 1, 0) == {
        "query": ["a", "a", "b", "b"],
        "document": ["A", "x", "B", "z"],
        "label": [1.0, 0.0, 1.0, 0.0],
    }
    without = [TrainingExample("a", "A"), TrainingExample("b", "B")]
    assert columns_of(without, "mnrl", 1, 0)["negative_1"] == ["B", "A"]
    with pytest.raises(InvalidInput, match="no example has a negative"):
        columns_of(without, "triplet", 1, 0)


def test_queries_are_divided_in_three() -> None:
    queries = {str(number): f"query {number}" for number in range(40)}
    relevance = {key: {f"document {key}": 1, "everywhere": 0} for key in queries}
    documents = {f"document {number}" for number in range(1, 40)}
    division = divided(Judgements(queries, relevance), documents, held_out=0.25, seed=1)
    parts = (division.learned, division.validation, division.held_out)
    assert [len(each.queries) for each in parts] == [26, 3, 10]
    assert set[str]().union(*(each.queries for each in parts)) == queries.keys() - {"0"}
    assert division.disjoint and division.missing == 2


def test_judgements_of_examples_are_the_documents_that_say_the_same() -> None:
    texts = {1: ChunkText(1, "one", "T\nsame", "same"), 2: ChunkText(2, "two", "same", "same")}
    examples = [TrainingExample("a", "same"), TrainingExample("b", "T\nsame")]
    found = judgements_of(examples, texts)
    assert found.relevance == {"a": {"one": 1, "two": 1}, "b": {"one": 1}}


def test_a_sample_keeps_the_judged_documents() -> None:
    keys = {number: f"document {number}" for number in range(100)}
    chosen = sampled_chunks(keys, {"document 7", "document 70"}, 10, 0)
    assert {7, 70} <= set(chosen) and len(chosen) == 10
    assert sampled_chunks(keys, set(), 100, 0) == list(range(100))
