"""Which passages an answer cites, and what is left of a text that cites others."""

import pytest

from retrieval.generation.citations import check_citations


def known_and_unknown(text: str, count: int = 3) -> tuple[tuple[int, ...], tuple[int, ...]]:
    cited = check_citations(text, count)
    return cited.numbers, cited.unknown


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Every month [1].", (1,)),
        ("Every month[2].", (2,)),
        ("Both [2, 1] and [3,1].", (2, 1, 3)),
        ("Both [2][1] [3].", (2, 1, 3)),
        ("All [1-3].", (1, 2, 3)),
        ("All [1\u20133].", (1, 2, 3)),
        ("All [ 3 - 1 ].", (1, 2, 3)),
        ("All [3, 1-2].", (3, 1, 2)),
        ("All [1; 3].", (1, 3)),
        ("每月一次【2】，再次［1］。", (2, 1)),  # noqa: RUF001
        ("See [1](#one).", (1,)),
        ("Nothing is cited.", ()),
        ("[x], [], [1.5], [a1], (2), [1 and 2]", ()),
        ("Since [2024] or [2024-2026].", ()),
    ],
)
def test_forms_of_citations(text: str, numbers: tuple[int, ...]) -> None:
    """What the model wrote stays as it is where all of it exists."""
    assert known_and_unknown(text) == (numbers, ())
    assert check_citations(text, 3).text == text


@pytest.mark.parametrize(
    ("text", "kept", "unknown"),
    [
        ("Every month [7].", "Every month.", (7,)),
        ("Every month[7].", "Every month.", (7,)),
        ("Every month [0], or [4].", "Every month, or.", (0, 4)),
        ("Every [7] month.", "Every month.", (7,)),
        ("Every month [1][7][2].", "Every month [1][2].", (7,)),
        ("Every month [1] [7] [2].", "Every month [1] [2].", (7,)),
        ("Every month [7, 2, 9, 1].", "Every month [2, 1].", (7, 9)),
        ("Every month [2-5].", "Every month [2, 3].", (4, 5)),
        ("Jeden Monat【3, 4】.", "Jeden Monat【3】.", (4,)),
        ("[7] Every month.\n\n[8]", "Every month.", (7, 8)),
        ("Again [7] and [7].", "Again and.", (7,)),
    ],
)
def test_numbers_that_no_passage_has(text: str, kept: str, unknown: tuple[int, ...]) -> None:
    cited = check_citations(text, 3)
    assert (cited.text, cited.unknown) == (kept, unknown)
    assert check_citations(kept, 3).unknown == ()


@pytest.mark.parametrize(
    "code",
    [
        "`a[0]`",
        "``a[0] ` b[9]``",
        "```python\na[0] = b[9]\n```",
        "~~~\na[0]\n~~~",
        "1. first\n   ```\n   a[0]\n   ```",
        "```\na[0], and no end",
    ],
)
def test_code_cites_nothing(code: str) -> None:
    text = f"Use this [2]:\n{code}"
    assert check_citations(text, 3).text == text
    assert known_and_unknown(text) == ((2,), ())


def test_a_single_backtick_hides_nothing() -> None:
    assert known_and_unknown("A ` in one paragraph [1].\n\nAnd ` in another [7].") == ((1,), (7,))
    assert known_and_unknown("`a[0]` and [7] and `b[1]` [1]") == ((1,), (7,))


def test_many_passages_have_long_numbers() -> None:
    assert known_and_unknown("Here [1204] and [1300].", 1250) == ((1204,), (1300,))


@pytest.mark.parametrize("text", [" " * 100_000, "[1" * 50_000, "` " * 20_000, "[1, " * 30_000])
def test_nothing_takes_long(text: str) -> None:
    assert check_citations(text, 3).unknown == ()
