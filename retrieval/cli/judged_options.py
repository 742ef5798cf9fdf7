"""Options that say by which judged queries something is measured."""

from pathlib import Path
from typing import Annotated

import typer

from retrieval.errors import InvalidInput
from retrieval.golden_sets import judgements as golden

Set = Annotated[str, typer.Option("--set", help="Name of the golden set.")]
Judgements = Annotated[
    Path | None,
    typer.Option(
        "--judgements",
        help="Instead of a golden set: folder with queries.jsonl and qrels.tsv, as of BEIR.",
        metavar="FOLDER",
        show_default=False,
    ),
]


def given_judgements(folder: Path | None) -> golden.Judgements | None:
    """The judgements of a folder, if one is given."""
    return None if folder is None else golden.read_judgements(folder)


def number_list(option: str, given: str) -> list[int]:
    """The numbers of a text such as 256,128; InvalidInput for anything else."""
    try:
        return [int(number) for number in given.split(",")] if given else []
    except ValueError as error:
        raise InvalidInput(f"{option} {given!r}: whole numbers, as in 256,128") from error
