"""The ways to cut a document, and what all of them keep to."""

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import Chunking, ConfigurationError, Document, HashingEmbedder, InvalidInput
from retrieval.chunking import STRATEGIES, Chunk, chunk_document, embedding_text
from retrieval.chunking.grammars import grammar
from retrieval.chunking.token_counts import token_counts
from retrieval.embedding import Embedder, MultiVectorHashingEmbedder

SMALL = HashingEmbedder(max_tokens=24)


class RoundingEmbedder(HashingEmbedder):
    """Its tokens do not add up: a part has fewer than its share."""

    def count_tokens(self, text: str) -> int:
        return len(text) // 4


CONTENT = st.lists(
    st.sampled_from(
        [
            "# A\n",
            "## B b\n",
            "word ",
            "A sentence, of some words. ",
            "Dr. Who? ",
            "数据库很好。",
            "本当に\uff01",
            "的" * 60,
            "x" * 70,
            "\n\n",
            "\f",
            "\r\n",
            "   \t",
            "👩\u200d👩\u200d👧",
            "e\u0301",
            "```\n",
            "def f(x):\n    return x\n\n",
            "class A:\n    def g(self): ...\n",
        ]
    )
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    max_size=40,
).map("".join)
KEYS = st.sampled_from(["a.txt", "a.md", "a.py", "a.pdf"])


def visible(text: str) -> str:
    return "".join(text.split())


def cut(content: str, chunking: Chunking, key: str = "a.txt", **fields: Any) -> list[Chunk]:
    return chunk_document(Document(key, content, **fields), SMALL, chunking)


def contents(content: str, chunking: Chunking, key: str = "a.txt", **fields: Any) -> list[str]:
    return [each.content for each in cut(content, chunking, key, **fields)]


# What holds for all


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=40, deadline=None)
@given(CONTENT, KEYS, st.sampled_from([None, 1, 5, 9]), st.sampled_from([0, 2, 4, 50]))
def test_offsets_are_exact_nothing_is_lost_and_all_fits(
    strategy: Any, content: str, key: str, maximum: int | None, overlap: int
) -> None:
    overlap = overlap if maximum is None else min(overlap, maximum - 1)
    chunking = Chunking(strategy, maximum, overlap)
    for embedder in (SMALL, RoundingEmbedder(max_tokens=24)):
        chunks = chunk_document(Document(key, content, "A title"), embedder, chunking)
        check(chunks, content, embedder, chunking)


def check(chunks: list[Chunk], content: str, embedder: Embedder, chunking: Chunking) -> None:
    assert [each.position for each in chunks] == list(range(len(chunks)))
    covered = set()
    for each in chunks:
        assert content[each.start : each.end] == each.content
        assert each.content.strip() or len(chunks) == 1
        covered.update(range(each.start, each.end))
        if chunking.strategy == "whole" or len(each.content) == 1:
            continue
        text = embedding_text("A title", each.context, each.content)
        tokens = embedder.count_tokens(each.content)
        rounded = 2 if isinstance(embedder, RoundingEmbedder) else 0  # title and context
        assert embedder.count_tokens(text) <= embedder.max_tokens + rounded
        # a grapheme is never cut either
        assert tokens <= (chunking.maximum_tokens or tokens) or len(each.content) < 10
    assert {place for place, each in enumerate(content) if not each.isspace()} <= covered
    for before, after in pairwise(chunks):
        assert before.start < after.start and before.end < after.end
        if not chunking.overlap_tokens:
            assert before.end <= after.start


@pytest.mark.parametrize("overlap", [0, 6])
@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"whole", "semantic"}))
def test_chunks_are_filled_and_overlap(strategy: Any, overlap: int) -> None:
    content = " ".join(f"Sentence {number} here." for number in range(60))
    chunks = cut(content, Chunking(strategy, 17, overlap))
    sizes = [SMALL.count_tokens(each.content) for each in chunks]
    assert min(sizes[:-1]) >= 12 and max(sizes) <= 17
    for before, after in pairwise(chunks):
        shared = SMALL.count_tokens(content[after.start : max(before.end, after.start)])
        assert (4 <= shared <= overlap) if overlap else shared == 0


@pytest.mark.parametrize("strategy", ["fixed", "recursive", "sentence", "markdown"])
@pytest.mark.parametrize("content", ["的" * 60_000, "好。" * 40_000])
def test_time_grows_with_the_text(strategy: Any, content: str) -> None:
    """A second at most, where with the square of the length it would be many."""
    embedder = HashingEmbedder(max_tokens=512)
    started = time.process_time()
    chunks = chunk_document(Document("a.txt", content), embedder, Chunking(strategy))
    assert time.process_time() - started < 4
    assert visible("".join(each.content for each in chunks)) == visible(content)


# Each


def test_auto_goes_by_the_type() -> None:
    text = "# A\n\nOne two three.\n\n# B\n\nFour five six."
    by_paragraph = ["# A\n\nOne two three.\n\n# B", "Four five six."]
    by_heading = ["# A\n\nOne two three.", "# B\n\nFour five six."]
    auto = Chunking(maximum_tokens=10)
    assert contents(text, auto, "a.txt") == by_paragraph
    for markdown in ("markdown", "html", "docx", "pptx", "xlsx", "epub"):
        assert contents(text, auto, "a.txt", metadata={"type": markdown}) == by_heading
    assert contents(text, auto, "a.md", metadata={"type": "csv"}) == by_paragraph
    assert contents(text, Chunking("markdown", 10), "a.txt") == by_heading


def test_fixed_cuts_between_words() -> None:
    text = "One two. Three, four five six\n\nseven eight"
    assert contents(text, Chunking("fixed", 4)) == [
        "One two.",
        "Three, four five",
        "six\n\nseven eight",
    ]


def test_sentences_stay_whole_where_they_fit() -> None:
    text = "Mr. Jones came in. He sat down. Nobody knew why he of all the people did so. No."
    assert contents(text, Chunking("sentence", 12)) == [
        "Mr. Jones came in. He sat down.",
        "Nobody knew why he of all the people did so.",
        "No.",
    ]


@pytest.mark.parametrize("language", [None, "en", "zh", "ja", "tlh", 7])
def test_chinese_and_japanese_sentences_end(language: object) -> None:
    text = "数据库很好。搜索更好\uff01真的吗\uff1fこれはテストです。"
    metadata = {} if language is None else {"language": language}
    sentences = contents(text, Chunking("sentence", 3), metadata=metadata)
    assert sentences == ["数据库很好。", "搜索更好\uff01", "真的吗\uff1f", "これはテストです。"]


def test_semantic_breaks_where_the_subject_changes() -> None:
    cats = "The cat sleeps. The cat eats. The cat plays. The cat sleeps again. "
    stars = "Stars burn gas. Stars burn long. Stars burn bright. Stars burn out."
    document = Document("a", cats + stars)
    chunks = chunk_document(document, HashingEmbedder(max_tokens=512), Chunking("semantic"))
    assert [each.content for each in chunks] == [cats.strip(), stars]


def test_semantic_needs_vectors_of_texts() -> None:
    with pytest.raises(InvalidInput, match="needs a dense model, not a multivector one"):
        chunk_document(Document("a", "b"), MultiVectorHashingEmbedder(), Chunking("semantic"))


def test_whole_is_one_chunk() -> None:
    text = "\n A.\n\n# B\n\n" + "c " * 100
    (chunk,) = cut(text, Chunking("whole"), "a.md")
    assert (chunk.content, chunk.start, chunk.context) == (text.strip(), 2, "")


def test_pages_are_not_mixed() -> None:
    text = "First page.\fSecond\n\npage.\f\fFourth page. " + "word " * 40
    chunks = cut(text, Chunking(), metadata={"type": "pdf"})
    assert [(each.context, each.content[:6]) for each in chunks[:3]] == [
        ("page 1", "First "),
        ("page 2", "Second"),
        ("page 4", "Fourth"),
    ]
    assert {each.context for each in chunks[3:]} == {"page 4"} and len(chunks) > 3
    assert {each.context for each in cut(text, Chunking(), "a.txt")} == {""}
    (chunk,) = cut(text, Chunking("whole"), "a.pdf")
    assert chunk.context == ""


CODE = '''\
"""Café 数据."""

def first(x):
    return [x, x, x]

class Reader:
    """Reads."""

    def read(self, name):
        with open(name) as file:
            return file.read()

    def close(self):
        self.file.close()
        del self.file
'''


def test_code_is_cut_at_definitions() -> None:
    pytest.importorskip("tree_sitter_python")
    chunks = chunk_document(Document("a.py", CODE), HashingEmbedder(max_tokens=50), Chunking())
    assert [(each.context, each.content.splitlines()[0]) for each in chunks] == [
        ("", '"""Café 数据."""'),
        ("", "class Reader:"),
        ("Reader", '"""Reads."""'),
    ]


def test_without_a_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("retrieval.chunking.grammars.import_module", missing)
    grammar.cache_clear()
    auto, recursive, code = (Chunking(strategy, 20) for strategy in ("auto", "recursive", "code"))
    assert contents(CODE, auto, "a.py") == contents(CODE, recursive, "a.py")
    with pytest.raises(ConfigurationError, match=r"tree-sitter-python; install it with: pip inst"):
        cut(CODE, code, "a.py")
    assert contents(CODE, code, "a.txt") == contents(CODE, recursive, "a.txt")


# What is chosen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "words"}, "strategy must be one of auto, fixed, .*, not 'words'"),
        ({"strategy": None}, "strategy must be one of"),
        ({"maximum_tokens": 0}, "maximum_tokens must be between 1 and 1000000, not 0"),
        ({"maximum_tokens": 2.0}, "maximum_tokens must be a whole number, not 2.0"),
        ({"maximum_tokens": True}, "maximum_tokens must be a whole number, not True"),
        ({"overlap_tokens": -1}, "overlap_tokens must be between 0 and 1000000, not -1"),
        ({"overlap_tokens": None}, "overlap_tokens must be a whole number, not None"),
        ({"maximum_tokens": 9, "overlap_tokens": 9}, "less than maximum_tokens, 9, not 9"),
        ({"breakpoint_percentile": 100}, "must lie between 0 and 100, not 100"),
        ({"breakpoint_percentile": float("nan")}, "must lie between 0 and 100, not nan"),
        ({"breakpoint_percentile": "90"}, "must be a number, not '90'"),
        ({"size": 9}, "chunking has no 'size', only strategy, maximum_tokens, "),
    ],
)
def test_unusable_chunking(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Chunking.from_json(arguments)


@pytest.mark.parametrize(
    "stored",
    [
        {"strategy": "auto"},
        {"strategy": "sentence", "maximum_tokens": 9, "overlap_tokens": 8},
        {"strategy": "semantic", "breakpoint_percentile": 95.5},
    ],
)
def test_json_and_back(stored: dict[str, Any]) -> None:
    assert Chunking.from_json(stored).as_json() == stored
    assert Chunking.from_json(json.loads(json.dumps(stored))) == Chunking(**stored)
    assert Chunking.from_json({}) == Chunking()


# Counting by word


class CountingEmbedder(HashingEmbedder):
    """Notes how many characters it counts."""

    counted = 0

    def count_tokens(self, text: str) -> int:
        self.counted += len(text)
        return super().count_tokens(text)


def test_words_are_counted_once() -> None:
    embedder = CountingEmbedder(max_tokens=128)
    document = Document("a", "some words, and the same words again. " * 1_000)
    chunk_document(document, embedder)
    first = embedder.counted
    assert first < 3_000
    chunk_document(document, embedder)
    assert embedder.counted - first < 500


@settings(max_examples=100, deadline=None)
@given(CONTENT, st.data())
def test_no_part_is_larger_than_its_size(content: str, data: st.DataObject) -> None:
    for embedder in (SMALL, RoundingEmbedder()):
        size = token_counts(embedder).sizes(content)
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, len(content)))
        tokens = embedder.count_tokens(content[start:end])
        assert tokens <= size(start, end) <= max(tokens * 1.5 + 3, (end - start) / 16)
