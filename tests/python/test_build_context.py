"""Contexts for language models: budget, repetitions, overlaps, templates, the count of tokens."""

import itertools
import random
import re
from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from retrieval import Hit, InvalidInput, build_context
from retrieval.embedding.locate import DEFAULT_MODEL, locate
from retrieval.embedding.tokens import TokenCounter, token_counter
from retrieval.generation.tokens import cautious_tokens

CONTENTS = itertools.count(1)


def hit(
    content: str, key: str = "keys.md", position: int = 0, title: str | None = "Keys", **more: Any
) -> Hit:
    number = next(CONTENTS)
    return Hit(number, 1, key, title, position, content, {}, 1.0, **more)


def words(text: str) -> int:
    return len(text.split())


def contents(hits: list[Hit], max_tokens: int = 10_000, **options: Any) -> list[str]:
    context = build_context(hits, max_tokens, **options)
    return [passage.content for passage in context.passages]


# What the text looks like


def test_passages_are_numbered_and_have_their_source() -> None:
    hits = [
        hit("Rotate the key every month.", position=4),
        hit("Copy the backups.", "backups", title=None),
    ]
    context = build_context(hits, 100)
    assert context.text == (
        "[1] Keys (keys.md)\nRotate the key every month.\n\n[2] backups\nCopy the backups."
    )
    first, second = context.passages
    assert (first.number, first.document_key, first.title) == (1, "keys.md", "Keys")
    assert (first.context, first.positions, first.is_cut) == ("", (4,), False)
    assert (second.number, second.document_key, second.positions) == (2, "backups", (0,))
    assert context.tokens == cautious_tokens(context.text) and not context.is_cut


def test_no_hits_are_an_empty_text() -> None:
    context = build_context([], 100)
    assert (context.text, context.passages, context.tokens) == ("", (), 0)


Row = namedtuple("Row", ["document_key", "title", "context", "content", "first_position"])


@pytest.mark.parametrize(
    ("context", "heading"),
    [
        ("", "Keys (k)"),
        (None, "Keys (k)"),
        ("Rotating > Monthly", "Keys > Rotating > Monthly (k)"),
        ("Keys > Rotating", "Keys > Rotating (k)"),
        ("Keys", "Keys (k)"),
        ("Keystones", "Keys > Keystones (k)"),
    ],
)
def test_the_path_of_headings_is_shown_where_there_is_one(
    context: str | None, heading: str
) -> None:
    """Rows of a SQL function are as good as hits, and so is whatever has the attributes."""
    passage = Row("k", "Keys", context, "Every month.", 3)
    assert build_context([passage], 100).text == f"[1] {heading}\nEvery month."
    assert build_context([passage], 100).passages[0].positions == (3,)
    longer = SimpleNamespace(**passage._asdict(), last_position=5)
    assert build_context([longer], 100).passages[0].positions == (3, 4, 5)
    bare = SimpleNamespace(document_key="k", title=None, content="Every month.")
    assert build_context([bare], 100).passages[0].positions == ()


def test_a_title_cannot_pretend_to_be_another_passage() -> None:
    text = build_context([hit("Text.", title="Keys\n\n[2] Backups\nNever.")], 100).text
    assert text == "[1] Keys [2] Backups Never. (keys.md)\nText."


# The budget


def test_what_does_not_fit_is_left_out_and_smaller_ones_follow() -> None:
    hits = [hit(f"{name} " * size, name) for name, size in [("a", 20), ("b", 50), ("c", 10)]]
    context = build_context(hits, 45, count_tokens=words)
    assert [passage.document_key for passage in context.passages] == ["a", "c"]
    assert context.text.startswith("[1] Keys (a)\na a") and "\n\n[2] Keys (c)\nc c" in context.text
    assert context.tokens == words(context.text) == 20 + 10 + 2 * 3


def test_headings_and_separators_count() -> None:
    hits = [hit("one two three", "a"), hit("four five six", "b")]
    exact = len("[1] Keys (a)\none two three\n\n[2] Keys (b)\nfour five six")
    assert len(contents(hits, exact, count_tokens=len)) == 2
    assert len(contents(hits, exact - 1, count_tokens=len)) == 1


ANY_HIT = st.builds(
    hit,
    st.text("ab .\n文", max_size=60),
    key=st.sampled_from("xyz"),
    position=st.integers(0, 3),
    title=st.one_of(st.none(), st.text("ab \n", max_size=8)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ANY_HIT, max_size=8),
    st.integers(1, 150),
    st.sampled_from([len, words, cautious_tokens]),
)
def test_the_budget_is_never_exceeded(hits: list[Hit], max_tokens: int, count: Any) -> None:
    context = build_context(hits, max_tokens, count_tokens=count)
    assert count(context.text) == context.tokens <= max_tokens
    assert [each.number for each in context.passages] == list(range(1, len(context.passages) + 1))
    for passage in context.passages:
        assert f"[{passage.number}] " in context.text and passage.content in context.text
    assert sum(passage.is_cut for passage in context.passages) <= 1


@pytest.mark.parametrize("number", [0, -1])
def test_a_budget_of_nothing(number: int) -> None:
    with pytest.raises(InvalidInput, match=f"max_tokens must be at least 1, not {number}"):
        build_context([hit("text")], number)


# The first passage is cut only if not even it fits

LONG = (
    "Create the new key. Deploy it beside the old one. Revoke the old one when nothing uses it any "
    "more. Then tell the owner of the service."
)


@pytest.mark.parametrize(
    ("tokens", "content"),
    [
        (13, "Create the new key. Deploy it beside the old …"),
        (14, "Create the new key. Deploy it beside the old one. …"),
        (15, "Create the new key. Deploy it beside the old one. …"),
        (7, "Create the new …"),
        (5, "Create …"),
        (4, None),
    ],
)
def test_cut_where_a_sentence_or_a_word_ends(tokens: int, content: str | None) -> None:
    """The ellipsis counts as well: of 14 words three are the heading's, and one is the ellipsis."""
    context = build_context([hit(LONG)], tokens, count_tokens=words)
    assert [passage.content for passage in context.passages] == ([content] if content else [])
    assert context.is_cut == bool(content)
    assert context.tokens == words(context.text) <= tokens


def test_a_word_where_the_sentence_ends_too_early() -> None:
    text = "Yes. And now a long sentence that goes on and on without an end in sight for long"
    assert contents([hit(text)], 15, count_tokens=words) == [
        "Yes. And now a long sentence that goes on and on …"
    ]


def test_text_without_blanks_is_cut_at_a_sentence_or_a_character() -> None:
    text = "日本茶は急須でいれる。湯の温度が大切です。東京都の人口は約千四百万人。"
    room = len("[1] 茶 (k)\n") + 2
    sentences = build_context([hit(text, "k", title="茶")], room + 25, count_tokens=len)
    assert sentences.passages[0].content == "日本茶は急須でいれる。湯の温度が大切です。 …"
    characters = build_context([hit("茶" * 40, "k", title="茶")], room + 25, count_tokens=len)
    assert characters.passages[0].content == "茶" * 25 + " …" and characters.tokens == room + 25


def test_only_what_would_be_the_first_is_cut() -> None:
    hits = [hit("one two three", "a"), hit(LONG, "b"), hit("four five six", "c")]
    assert contents(hits, 16, count_tokens=words) == ["one two three", "four five six"]
    # a heading that leaves no room makes place for the next
    hits = [hit("short", title="a very long title that says it all"), hit("one two three", "a")]
    assert contents(hits, 6, count_tokens=words) == ["one two three"]


def test_small_ones_still_fit_behind_a_passage_that_is_cut() -> None:
    context = build_context([hit(LONG), hit("Yes.", "b", title="Done?")], 18, count_tokens=words)
    assert [passage.is_cut for passage in context.passages] == [True, False]
    assert context.tokens == 18 and context.is_cut


# Repetitions


def test_equal_and_contained_content_is_used_once() -> None:
    hits = [
        hit("Rotate the  key\nevery month.", "a"),
        hit("Rotate the key every month.", "b"),
        hit("the key every month", "c"),
        hit("Revoke the key at once.", "d"),
    ]
    context = build_context(hits, 1000)
    assert [passage.document_key for passage in context.passages] == ["a", "d"]
    assert context.text.count("month") == 1


def test_the_longer_one_takes_the_place_of_the_better_one_in_it() -> None:
    hits = [
        hit("every single month", "a"),
        hit("Copy the backups.", "b"),
        hit("Rotate the key every single month, at least.", "c"),
        hit("Rotate the key", "d"),
    ]
    context = build_context(hits, 1000)
    assert [passage.document_key for passage in context.passages] == ["c", "b"]
    # unless it does not fit
    context = build_context(hits, 13, count_tokens=words)
    assert [passage.document_key for passage in context.passages] == ["a", "b"]


def test_only_whole_words_are_contained() -> None:
    assert len(contents([hit("The limit is 100 seconds."), hit("The limit is 10", "b")])) == 2
    assert len(contents([hit("The limit is 10 seconds."), hit("The limit is 10", "b")])) == 1
    assert (
        len(
            contents(
                [
                    hit("日本茶は急須でいれる。湯の温度が大切です。"),
                    hit("茶は急須でいれる。湯の温度が"),
                ]
            )
        )
        == 1
    )


def test_short_answers_to_other_questions_are_kept() -> None:
    hits = [hit("No.", key, title=f"May I {key}?") for key in ("smoke", "eat", "eat")]
    hits.append(hit("No. Never.", "drink", title="May I drink?"))
    assert contents(hits) == ["No.", "No.", "No. Never."]


def test_titles_without_content_are_no_repetitions() -> None:
    hits = [hit("", "a", title="An empty page"), hit("Some text."), hit("", "b", title="Another")]
    assert [each.title for each in build_context(hits, 1000).passages] == [
        "An empty page",
        "Keys",
        "Another",
    ]


# Overlaps

FIRST = "Create the new key. Deploy it beside the old one."
SECOND = "Deploy it beside the old one. Revoke the old one."
THIRD = "Revoke the old one. Tell the owner."
WHOLE = "Create the new key. Deploy it beside the old one. Revoke the old one. Tell the owner."


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_overlapping_neighbours_are_one_passage(order: tuple[int, ...]) -> None:
    chunks = [hit(text, position=number) for number, text in enumerate((FIRST, SECOND, THIRD), 7)]
    other = hit("Copy the backups.", "backups")
    context = build_context([chunks[order[0]], other, *(chunks[n] for n in order[1:])], 1000)
    assert [passage.content for passage in context.passages] == [WHOLE, other.content]
    assert context.passages[0].positions == (7, 8, 9)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (hit(FIRST, position=1), hit(SECOND, position=3)),
        (hit(FIRST, position=2), hit(SECOND, position=1)),
        (hit(FIRST, "a", position=1), hit(SECOND, "b", position=2)),
        (hit("It ends with the", position=1), hit("the next begins.", position=2)),
        (hit("x\n" + "-" * 30, position=1), hit("-" * 30 + "\ny", position=2)),
        (hit("Never be unreasonable in it", position=1), hit("reasonable in it or", position=2)),
        (
            hit("The number of them is 1000000000000", position=1),
            hit("1000000000000000", position=2),
        ),
    ],
)
def test_what_is_not_an_overlap_of_neighbours(one: Hit, other: Hit) -> None:
    assert contents([one, other]) == [one.content, other.content]


def test_neighbours_that_do_not_fit_as_one_passage() -> None:
    longer = hit(f"{SECOND} Tell the owner.", position=2)
    chunks = [hit(FIRST, position=1), longer, hit("Short.", "b")]
    assert contents(chunks, 17, count_tokens=words) == [FIRST, "Short."]


def test_the_path_of_joined_passages_is_that_of_the_first() -> None:
    rows = [Row("k", "T", "T > B", SECOND, 2), Row("k", "T", "T > A", FIRST, 1)]
    assert [each.context for each in build_context(rows, 1000).passages] == ["T > A"]


def test_windows_over_several_chunks() -> None:
    windows = [
        SimpleNamespace(
            document_key="k", title="T", content=text, first_position=a, last_position=b
        )
        for text, a, b in [
            (f"{FIRST} Revoke the old one.", 1, 3),
            (f"{SECOND} Tell the owner.", 2, 4),
        ]
    ]
    (passage,) = build_context(windows, 1000).passages
    assert (passage.content, passage.positions) == (WHOLE, (1, 2, 3, 4))


@pytest.mark.parametrize("seed", range(20))
def test_a_document_in_overlapping_windows_comes_back_whole(seed: int) -> None:
    chosen = random.Random(seed)
    text = " ".join(f"word{number}{chosen.choice(',. ')}" for number in range(200)).strip()
    ends = [found.end() for found in re.finditer(r"\S+", text)]
    starts = [found.start() for found in re.finditer(r"\S+", text)]
    windows, word = [], 0
    while not windows or windows[-1][1] < len(text):
        last = min(word + chosen.randint(8, 30), len(ends) - 1)
        windows.append((starts[word], ends[last]))
        word = last - chosen.randint(2, 5)
    hits = [hit(text[start:end], position=n) for n, (start, end) in enumerate(windows)]
    chosen.shuffle(hits)
    (passage,) = build_context(hits, 100_000).passages
    assert passage.content == text
    assert passage.positions == tuple(range(len(windows)))


# Templates


def test_a_template_of_ones_own() -> None:
    template = "<doc id='{number}'>{{{title}|{document_key}|{context}}} {content}</doc>"
    row = Row("k", None, "A > B", "Some text.", 0)
    text = build_context([row, hit("More text.")], 100, template).text
    assert text == (
        "<doc id='1'>{k|k|A > B} Some text.</doc>\n\n<doc id='2'>{Keys|keys.md|} More text.</doc>"
    )


@pytest.mark.parametrize("braces", ["{number}", "{0.__class__}", "{{", "}", "%s {content!r}"])
def test_braces_in_passages_mean_nothing(braces: str) -> None:
    template = "[{number}] {title} ({document_key})\n{content}"
    text = build_context([hit(braces, f"k{braces}", title=f"t{braces}")], 100, template).text
    assert text == f"[1] t{braces} (k{braces})\n{braces}"


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{number} {author}", "unknown field 'author'; there are number, heading, title"),
        ("{}", "unknown field ''"),
        ("{0}", "unknown field '0'"),
        ("{content.__class__}", r"unknown field 'content\.__class__'"),
        ("{content[0]}", r"unknown field 'content\[0\]'"),
        ("{content!r}", "can only name field 'content'"),
        ("{number:>9}", "can only name field 'number'"),
        ("{number:{content.__class__}}", "can only name field 'number'"),
        ("{content", "malformed"),
        ("content}", "malformed"),
    ],
)
def test_templates_that_are_refused(template: str, named: str) -> None:
    for hits in ([], [hit("text")]):
        with pytest.raises(InvalidInput, match=named):
            build_context(hits, 100, template)


# The count of tokens

ENGLISH = [
    "Keyword, semantic and hybrid search inside PostgreSQL: one schema and a thin Python service.",
    "We hold these truths to be self-evident, that all men are created equal, that they are "
    "endowed by their Creator with certain unalienable Rights, that among these are Life, Liberty "
    "and the pursuit of Happiness.",
    "The query planner's cost constants (random_page_cost = 4.0, effective_cache_size = 4GB) are "
    "measured on an arbitrary scale; see section 20.7.2, p. 731.",
]
CHINESE = [
    "人工智能是计算机科学的一个分支，它企图了解智能的实质。",  # noqa: RUF001
    "机器学习是一门多领域交叉学科，涉及概率论、统计学、逼近论、凸分析等多门学科。",  # noqa: RUF001
    "臺灣位於東亞、太平洋西北側的島嶼，地處琉球群島與菲律賓群島之間。密鑰輪換週期為九十天。",  # noqa: RUF001
    "饕餮魑魅魍魉，密钥 API key 每 90 天轮换一次（见 PostgreSQL 18 手册）。",  # noqa: RUF001
]


@pytest.fixture(scope="module")
def count_tokens() -> TokenCounter:
    """The tokenizer of the default embedding model, without the model."""
    folder = next(locate(DEFAULT_MODEL)).folder
    assert folder is not None
    return token_counter(Tokenizer.from_file(str(folder / "tokenizer.json")))


@pytest.mark.parametrize("text", ENGLISH + CHINESE)
def test_the_estimate_is_not_below_real_tokenizers_and_not_far_above(
    count_tokens: TokenCounter, text: str
) -> None:
    """The splitter comes with OpenAI's vocabulary: one chunk is what fits into so many tokens."""
    text = " ".join([text] * 5)
    estimate = cautious_tokens(text)
    assert estimate >= count_tokens(text)
    for capacity, fits in ((estimate, True), (estimate * 2 // 5, False)):
        splitter = TextSplitter.from_tiktoken_model("text-embedding-3-small", capacity, trim=False)
        assert (len(splitter.chunks(text)) == 1) is fits


def test_a_budget_by_the_estimate_is_kept_by_a_real_tokenizer(count_tokens: TokenCounter) -> None:
    context = build_context([hit(text, f"k{n}") for n, text in enumerate(ENGLISH + CHINESE)], 200)
    assert len(context.passages) > 2
    assert count_tokens(context.text) <= context.tokens <= 200
