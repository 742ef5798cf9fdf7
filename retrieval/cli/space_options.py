"""Arguments and options that the commands on spaces share, and what they are turned into."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from retrieval.document import MODALITIES
from retrieval.document import Modality as ModalityName
from retrieval.embedding import Embedder, create_embedder
from retrieval.embedding.kinds import KINDS, checked_kind
from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements, read_judgements, read_queries

Collection = Annotated[str, typer.Argument(show_default=False)]
Space = Annotated[str, typer.Argument(help="Name of the space.", show_default=False)]
SpaceOrActive = Annotated[
    str | None,
    typer.Argument(help="Name of the space; without it the active one.", show_default=False),
]
SpaceOption = Annotated[
    str | None,
    typer.Option("--space", help="Name of the space; without it the active one."),
]
NewSpace = Annotated[
    str | None,
    typer.Option("--space", help="Name of the new space; without it one from the model's."),
]
Modality = Annotated[
    str | None,
    typer.Option(help="What the space embeds: text, which is the default, or image."),
]
Kind = Annotated[str, typer.Option(help=f"Kind of embeddings: {', '.join(KINDS)}.")]
NewModel = Annotated[
    str,
    typer.Option(
        "--model", help="Embedding model: a hub id, a folder, openai:NAME.", show_default=False
    ),
]
Dimensions = Annotated[
    int | None,
    typer.Option(help="Keep the first ones only, of a model that was trained for it."),
]
IndexMethod = Annotated[str | None, typer.Option(help="hnsw, ivfflat or none (exact search).")]
Quantization = Annotated[str | None, typer.Option(help="half, or bit for an index of signs.")]
IndexOption = Annotated[
    list[str] | None,
    typer.Option(
        help="m, ef_construction or lists, as in m=16; repeatable.", metavar="NAME=NUMBER"
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(help="The server's maintenance_work_mem for the index build, such as 4GB."),
]
Queries = Annotated[
    Path | None,
    typer.Option(help="File with a query on each line, in UTF-8.", metavar="FILE"),
]
JudgementsFolder = Annotated[
    Path | None,
    typer.Option(
        "--judgements",
        help="Folder with queries.jsonl and qrels.tsv, as of BEIR.",
        metavar="FOLDER",
    ),
]


def embedder_of(model: str, kind: str, dimensions: int | None) -> Embedder:
    """The embedder of a new space."""
    return create_embedder(model, kind=checked_kind(kind), dimensions=dimensions)


def modality_of(given: str | None) -> ModalityName | None:
    """A modality as it is given; InvalidInput for anything else."""
    for known in MODALITIES:
        if given == known:
            return known
    if given is not None:
        raise InvalidInput(f"--modality must be one of {', '.join(MODALITIES)}, not {given!r}")
    return None


def index_options(given: Sequence[str] | None) -> dict[str, int] | None:
    """NAME=NUMBER, any number of times, as a dictionary; None where there is none."""
    options = {}
    for each in given or ():
        name, _, number = each.partition("=")
        if not name or not (number.isascii() and number.isdigit()):
            raise InvalidInput(f"--index-option takes NAME=NUMBER, as in m=16, not {each!r}")
        options[name] = int(number)
    return options or None


def questions(queries: Path | None, judgements: Path | None) -> Sequence[str] | Judgements | None:
    """The queries of a file or the judged ones of a folder; None where neither is given."""
    if queries and judgements:
        raise InvalidInput("give --queries or --judgements, not both")
    if judgements:
        return read_judgements(judgements)
    return read_queries(queries) if queries else None
