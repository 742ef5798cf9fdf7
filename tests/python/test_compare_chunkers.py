"""Ways of cutting side by side, by what is known to be in the documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Run
from sqlalchemy import text

from retrieval import (
    Chunking,
    ConfigurationError,
    Document,
    HashingEmbedder,
    InvalidInput,
    NotFound,
    Retriever,
)
from retrieval.evaluation.chunker_comparison import compare_chunkers
from retrieval.evaluation.chunker_grid import chunking_label, default_grid, parse_chunking
from retrieval.evaluation.chunker_plot import plot_chunkers
from retrieval.evaluation.chunker_trial import Cut, cut
from retrieval.evaluation.known_answers import KnownAnswer, judged_answers, read_answers
from retrieval.golden_sets.judgements import Judgements

ANIMALS = ("walrus", "otter", "heron", "badger", "lynx", "marten", "beaver", "weasel")


def story(animal: str) -> Document:
    """A title and six sentences of which each tells something else of one animal."""
    told = (
        f"The {animal} sleeps by the harbour in winter.",
        f"A young {animal} weighs\nseven kilograms in spring.",
        f"Every {animal} fears the noise of engines.",
        f"No {animal} was ever seen beyond the glacier.",
        f"Long ago the {animal} was hunted for its oil.",
        f"Today the {animal} is protected by law everywhere.",
    )
    return Document(animal, " ".join(told), f"The {animal}")


DOCUMENTS = [story(animal) for animal in ANIMALS]
ANSWERS = [
    KnownAnswer(f"{animal}-{number}", query, answer, frozenset([animal]))
    for animal in ANIMALS
    for number, (query, answer) in enumerate(
        [
            (f"how much does a young {animal} weigh", "weighs seven kilograms"),
            (f"what was the {animal} hunted for", f"the {animal} was hunted for its oil"),
        ]
    )
]
CHUNKINGS = [Chunking("sentence", 24), Chunking("fixed", 6), Chunking("whole")]


@pytest.fixture(scope="module")
def prepared(module_database_url: str) -> Iterator[Retriever]:
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("zoo", chunking=Chunking("sentence", 24))
        yield opened


def rows(retriever: Retriever) -> list[int]:
    """How much is in the tables, and how many relations there are."""
    tables = ("collections", "documents", "chunks", "spaces", "embeddings", "lexeme_statistics")
    with retriever.engine.connect() as connection:
        counts = [connection.scalar(text(f"select count(*) from retrieval.{n}")) for n in tables]
        relations = connection.scalar(text("select count(*) from pg_class"))
    return [int(each or 0) for each in (*counts, relations)]


def test_each_way_is_measured_and_nothing_stays(prepared: Retriever, tmp_path: Path) -> None:
    before = rows(prepared)
    compared = compare_chunkers(prepared, "zoo", DOCUMENTS, ANSWERS, chunkings=CHUNKINGS)
    assert rows(prepared) == before
    assert (compared.queries, compared.documents, compared.is_synthetic) == (16, 8, False)
    sentence, fixed, whole = compared.results
    assert [each.chunker for each in compared.results] == ["sentence:24", "fixed:6", "whole"]
    assert (sentence.is_own, fixed.is_own, whole.chunks) == (True, False, 8)
    # a sentence holds an answer; six words do so only where it is short; a document always
    assert sentence.held == whole.held == 1.0 and fixed.held <= 0.5
    assert fixed.recall and sentence.recall and whole.recall
    assert sentence.recall[10] > fixed.recall[10] and fixed.recall[10] <= fixed.held
    assert sentence.recall[1] <= sentence.recall[5] <= sentence.recall[10]
    assert whole.mean_tokens > sentence.mean_tokens > fixed.mean_tokens
    assert sentence.difference is None and fixed.difference and fixed.difference.mean < 0
    plot_chunkers(compared, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_budget_cuts_what_goes_beyond_it(
    prepared: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer ends after 17 tokens of its document, the second after 40."""
    monkeypatch.setattr("retrieval.evaluation.chunker_comparison.BUDGETS", (10, 30, 60))
    compared = compare_chunkers(
        prepared, "zoo", DOCUMENTS[:1], ANSWERS[:2], chunkings=[Chunking("whole")]
    )
    whole = compared.results[1]
    assert whole.recall == {1: 1.0, 5: 1.0, 10: 1.0}
    assert whole.budget_recall == {10: 0.0, 30: 0.5, 60: 1.0}


def test_without_answers_sentences_are_asked_for(prepared: Retriever) -> None:
    arguments = {"chunkings": [Chunking("fixed", 6)], "legs": ["keyword"], "queries": 9}
    compared = compare_chunkers(prepared, "zoo", DOCUMENTS, **arguments)  # type: ignore[arg-type]
    assert compared.is_synthetic and compared.queries == 9
    assert compared.results[0].held == 1.0 and compared.results[1].held < 1.0


def test_judged_documents_are_answers_without_a_text(prepared: Retriever) -> None:
    judged = Judgements(
        {"a": "walrus winter", "b": "unicorn", "c": "nothing"},
        {"a": {"walrus": 2, "otter": 0}, "b": {"unicorn": 1}, "c": {"otter": 0}},
    )
    compared = compare_chunkers(
        prepared, "zoo", DOCUMENTS, judged_answers(judged), chunkings=[Chunking("fixed", 6)]
    )
    assert (compared.queries, compared.left_out) == (1, 1)
    assert compared.results[1].recall == {1: 1.0, 5: 1.0, 10: 1.0}


def test_what_cannot_be_tried_says_why(
    prepared: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(documents: Any, chunking: Chunking, *others: Any) -> Cut:
        if chunking.strategy == "code":
            raise ConfigurationError("no grammar")
        return cut(documents, chunking, *others)

    monkeypatch.setattr("retrieval.evaluation.chunker_comparison.cut", refuse)
    files = [*DOCUMENTS, "/no/such/file.md"]
    compared = compare_chunkers(prepared, "zoo", files, ANSWERS[:2], chunkings=[Chunking("code")])
    (failure,) = compared.failures
    assert "/no/such/file.md" in failure
    own, code = compared.results
    assert own.failure is None and (code.chunker, code.failure) == ("code", "no grammar")


def test_bad_input(prepared: Retriever) -> None:
    wrong = [KnownAnswer("q", "what?", "never said", frozenset(["walrus"]))]
    with pytest.raises(InvalidInput, match="query q: the answer is not in document walrus"):
        compare_chunkers(prepared, "zoo", DOCUMENTS, wrong)
    elsewhere = [KnownAnswer("q", "what?", None, frozenset(["unicorn"]))]
    with pytest.raises(InvalidInput, match="no query has an answer"):
        compare_chunkers(prepared, "zoo", DOCUMENTS, elsewhere)
    with pytest.raises(InvalidInput, match="no sentence"):
        compare_chunkers(prepared, "zoo", [Document("short", "Two words")])
    with pytest.raises(InvalidInput, match="no document of text"):
        compare_chunkers(prepared, "zoo", [Document("blank", " ")])
    with pytest.raises(NotFound, match="nowhere"):
        compare_chunkers(prepared, "nowhere", DOCUMENTS)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"_id": "a", "text": "q"}', "line 1: not an object with"),
        ('{"_id": "a", "text": "q", "answer": "x"}\n\n[1]', "line 3: not an object with"),
        ('{"_id": "a", "text": "q", "answer": " "}', "line 1: the query or the answer is empty"),
        ('{"_id": "a", "text": "q", "answer": "x"}\n' * 2, "line 2: query a is there twice"),
        ("\n", "holds no query"),
    ],
)
def test_answers_that_cannot_be_read(lines: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(lines)
    with pytest.raises(InvalidInput, match=said):
        read_answers(path)


def test_how_chunkings_are_written() -> None:
    for written in ("whole", "sentence:200", "fixed:64:8"):
        assert chunking_label(parse_chunking(written)) == written
    given = parse_chunking('{"strategy": "semantic", "breakpoint_percentile": 95}')
    assert given == Chunking("semantic", breakpoint_percentile=95)
    assert chunking_label(given) == "semantic:percentile 95"
    for wrong in ("sentence:many", "a:1:2:3", "{", "[]", "nothing:12", "sentence:10:20"):
        with pytest.raises(InvalidInput):
            parse_chunking(wrong)
    sizes = {each.maximum_tokens for each in default_grid(HashingEmbedder())}
    assert sizes == {64, None}  # 128 is what it reads


def test_the_command(command: Run, database_url: str, tmp_path: Path) -> None:
    with Retriever.open(database_url, embedder=HashingEmbedder()) as retriever:
        retriever.create_collection("zoo")
    folder = tmp_path / "stories"
    folder.mkdir()
    for each in DOCUMENTS[:2]:
        (folder / f"{each.key}.txt").write_text(each.content)
    asked = tmp_path / "answers.jsonl"
    asked.write_text(
        '{"_id": "a", "text": "otter weight", "answer": "seven kilograms in spring"}\n'
    )
    options = ("--answers", str(asked), "--chunking", "fixed:6", "--leg", "keyword")
    shown = command("compare-chunkers", "zoo", str(folder), *options)
    assert shown.code == 0 and "auto (own)" in shown.out and "fixed:6" in shown.out
    printed = command("compare-chunkers", "zoo", str(folder), *options, "--json").json
    assert printed["results"][0]["recall"]["1"] == 1.0
    twice = command("compare-chunkers", "zoo", str(folder), *options, "--set", "default")
    assert "exclude each other" in twice.error
