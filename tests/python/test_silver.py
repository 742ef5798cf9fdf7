"""Silver sets: queries that documents themselves are the answers to."""

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from typer.testing import CliRunner

from retrieval import (
    Chunking,
    Document,
    HashingEmbedder,
    InvalidInput,
    ModelUnavailable,
    NotFound,
    Retriever,
)
from retrieval.cli import app
from retrieval.evaluation.silver import silver_judgements
from retrieval.evaluation.silver_documents import SilverSource, read_source
from retrieval.evaluation.silver_questions import question_prompt, questions, read_question
from retrieval.generation.chat import ChatModel, Completion
from retrieval.generation.prompt import Message

ANIMALS = ("walrus", "otter", "heron", "badger", "lynx", "marten")
PLACES = ("harbour", "meadow", "glacier", "quarry", "orchard", "lagoon")


def page(number: int) -> Document:
    """A page of two sections; the words of each are also on two other pages."""
    animal, place = ANIMALS[number], PLACES[number]
    near = ANIMALS[number - 1], PLACES[number - 2]
    content = (
        f"# Notes on beasts\n\nThe careful {animal} sleeps near every {place} in winter {number}."
        f"\n\n## Where a {animal} feeds\n\nOne old {near[0]} follows the {animal} towards the"
        f" {near[1]} at night. Nobody knows why.\n"
    )
    return Document(
        f"{animal}.md", content, f"Habits of the {animal} family", metadata={"type": "markdown"}
    )


DOCUMENTS = [
    *map(page, range(6)),
    Document("copy", "Nobody counts this.", "Annual report of the zoo"),
    Document("other copy", "Nobody counts that.", "Annual report of the zoo"),
    Document("own title", "On the origin of otters. A book.", "On the origin of otters"),
]


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Retriever]:
    with Retriever.open(module_database_url, embedder=HashingEmbedder()) as opened:
        opened.create_collection("zoo", chunking=Chunking("markdown", maximum_tokens=24))
        opened.create_collection("empty")
        opened.ingest("zoo", DOCUMENTS)
        yield opened


class Writer(ChatModel):
    """Says what a test wants it to, of the messages that it was sent."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[Message]] = []

    def check(self) -> None:
        """Nothing is needed."""

    def complete(self, messages: Sequence[Message]) -> Completion:
        self.asked.append(messages)
        answer = self.answers[len(self.asked) % len(self.answers)]
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, True)


def source_of(retriever: Retriever) -> SilverSource:
    return read_source(retriever, "zoo", documents=100, seed=0)


def test_a_title_is_unique_and_not_repeated_by_its_text(filled: Retriever) -> None:
    made = silver_judgements(filled, "zoo", kinds=["title"])
    found = {made.queries[key]: made.relevance[key] for key in made.queries}
    assert found == {f"Habits of the {each} family": {f"{each}.md": 1} for each in ANIMALS}
    assert set(made.queries) == {f"title-{number}" for number in range(1, 7)}


def test_headings_that_two_documents_share_are_left_out(filled: Retriever) -> None:
    made = silver_judgements(filled, "zoo", kinds=["heading"])
    found = {made.queries[key]: made.relevance[key] for key in made.queries}
    assert found == {f"Notes on beasts Where a {each} feeds": {f"{each}.md": 1} for each in ANIMALS}


def test_a_sentence_stands_in_no_other_document(filled: Retriever) -> None:
    made = silver_judgements(filled, "zoo", kinds=["sentence"])
    assert made.queries
    contents = {each.key: " ".join(each.content.split()) for each in DOCUMENTS}
    for key, query in made.queries.items():
        assert [name for name, content in contents.items() if query in content] == list(
            made.relevance[key]
        )


def test_known_items_are_words_as_they_stand_in_the_text(filled: Retriever) -> None:
    made = silver_judgements(filled, "zoo", kinds=["known_item"])
    contents = {each.key: each.content for each in DOCUMENTS}
    assert len(made.queries) >= 6
    for key, query in made.queries.items():
        (document,) = made.relevance[key]
        places = [contents[document].index(word) for word in query.split()]
        assert 3 <= len(places) <= 6 and places == sorted(places)
        assert "the" not in query.split()
    weights = source_of(filled).weights
    assert weights["walrus"] > weights["careful"] and "winter" in weights and "0" not in weights


def test_kinds_take_turns_and_a_seed_repeats_them(filled: Retriever) -> None:
    made = silver_judgements(filled, "zoo", queries=7, seed=3)
    assert made == silver_judgements(filled, "zoo", queries=7, seed=3)
    assert made != silver_judgements(filled, "zoo", queries=7, seed=4)
    kinds = [key.rpartition("-")[0] for key in made.queries]
    assert kinds == ["title", "heading", "sentence", "known_item", "title", "heading", "sentence"]
    assert len(set(made.queries.values())) == 7


def test_questions_are_asked_about_passages(filled: Retriever) -> None:
    writer = Writer(
        '{"question": "Where does it\\n sleep?"}', "I cannot.", '```\n{"question": ""}\n```'
    )
    made = silver_judgements(filled, "zoo", kinds=["question"], chat=writer, queries=3)
    assert list(made.queries.values()) == ["Where does it sleep?"]  # no two alike
    passages = [messages[1]["content"] for messages in writer.asked]
    (document,) = made.relevance["question-1"]
    assert any(document.removesuffix(".md") in passage for passage in passages)


def test_a_failing_model_is_an_error_only_where_nothing_is_answered(filled: Retriever) -> None:
    with pytest.raises(ModelUnavailable, match="gone"):
        list(questions(source_of(filled), Random(0), Writer(ModelUnavailable("gone"))))
    some = Writer(ModelUnavailable("gone"), '{"question": "Who sleeps?"}')
    assert len(list(questions(source_of(filled), Random(0), some))) >= 2


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ('Sure: {"question": "Why?"} Bye.', "Why?"),
        ("Here it is:\n- **Wo schläft er?**", "Wo schläft er?"),
        ("どこで寝ますか？", "どこで寝ますか？"),  # noqa: RUF001
        ('{"question": null}', None),
        ('{"other": 1}', None),
        ("It sleeps.", None),
        ("{broken", None),
    ],
)
def test_what_is_read_of_an_answer(answer: str, question: str | None) -> None:
    assert read_question(answer) == question


def test_a_passage_cannot_end_its_mark(filled: Retriever) -> None:
    passage = source_of(filled).documents[0].passages[0]
    system, user = question_prompt("Title", passage)
    mark = user["content"].partition(">")[0]
    assert mark.startswith("<passage-") and f"{mark}>" in system["content"]
    assert user["content"].count(mark) == 1


def test_bad_input(filled: Retriever) -> None:
    for arguments, said in (
        ({"kinds": ["haiku"]}, "haiku"),
        ({"kinds": []}, "name a kind"),
        ({"queries": 0}, "queries"),
    ):
        with pytest.raises(InvalidInput, match=said):
            silver_judgements(filled, "zoo", **arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="collection empty has no document"):
        silver_judgements(filled, "empty")
    with pytest.raises(NotFound, match="nowhere"):
        silver_judgements(filled, "nowhere")


def test_the_command_says_that_they_are_synthetic(
    filled: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = filled.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("RETRIEVAL_DATABASE_URL", url)
    arguments = ["golden", "silver", "zoo", "--kind", "title", "--queries", "2"]
    shown = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert "2 synthetic queries (2 title); nothing was stored" in shown.output
    assert "title-1" in shown.output and filled.golden_sets.list("zoo") == []
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    (stored,) = filled.golden_sets.list("zoo")
    assert (stored.name, stored.origin) == ("silver", "synthetic")
    assert stored.description is not None and "2 title" in stored.description
    assert set(filled.golden_sets.judgements("zoo", "silver").queries) == {"title-1", "title-2"}
