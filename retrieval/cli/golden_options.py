"""Arguments and options that the commands on golden sets share, and what they are turned into."""

import re
from collections.abc import Sequence
from typing import Annotated

import typer

Collection = Annotated[str, typer.Argument(show_default=False)]
Set = Annotated[str, typer.Option("--set", help="Name of the golden set.")]
Version = Annotated[
    int | None, typer.Option(help="Which version; without it the newest.", show_default=False)
]
Judge = Annotated[
    str | None,
    typer.Option(help="Who judges, to be stored with the judgements.", show_default=False),
]
Depth = Annotated[
    int, typer.Option(min=1, max=1000, help="How many documents of a search are judged.")
]
Relevant = Annotated[
    list[str] | None,
    typer.Option(
        help="Key of a document, and how well it answers (1); repeatable.",
        metavar="KEY[=GRADE]",
        show_default=False,
    ),
]
TakeBack = Annotated[
    list[str] | None,
    typer.Option(
        help="Key of a document whose judgement is taken back; repeatable.",
        metavar="KEY",
        show_default=False,
    ),
]

_GRADED = re.compile(r"(.+)=(-?[0-9]{1,9})", re.DOTALL)


def grades_of(
    relevant: Sequence[str] | None, take_back: Sequence[str] | None
) -> dict[str, int | None]:
    """Grades by document key, None for what is taken back.

    What follows the last = is a grade where it is a whole number, and else part of the key.
    """
    grades: dict[str, int | None] = dict.fromkeys(take_back or ())
    for given in relevant or ():
        graded = _GRADED.fullmatch(given)
        key, grade = (graded[1], int(graded[2])) if graded else (given, 1)
        grades[key] = grade
    return grades
