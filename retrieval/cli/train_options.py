"""Options that the commands of `retrieval train` share, and what they are turned into."""

from pathlib import Path
from typing import Annotated

import typer

from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements, read_judgements
from retrieval.search import Retriever

DEFAULT_SET = "default"

Set = Annotated[
    str | None,
    typer.Option("--set", help="Golden set; without it and the other sources, default."),
]
JudgementsFolder = Annotated[
    Path | None,
    typer.Option(
        "--judgements",
        help="Folder with queries.jsonl and qrels.tsv, as of BEIR.",
        metavar="FOLDER",
    ),
]
Examples = Annotated[
    Path | None,
    typer.Option(
        help="What `train negatives` wrote, to learn from in the place of new ones.",
        metavar="FILE.jsonl",
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Where training begins: a folder or a hub id."),
]
Output = Annotated[
    Path, typer.Option(help="Folder of the trained model.", metavar="FOLDER", show_default=False)
]
Loss = Annotated[str | None, typer.Option(help="What is minimised.")]
Matryoshka = Annotated[
    str | None,
    typer.Option(help="Dimensions that are to serve alone, as in 256,128; dense models only."),
]
Epochs = Annotated[float, typer.Option(help="How often everything is learned from.")]
BatchSize = Annotated[int, typer.Option(help="Rows of examples in a step.")]
LearningRate = Annotated[
    float | None, typer.Option(help="The largest one, after a tenth of the steps.")
]
Seed = Annotated[int, typer.Option(help="The same seed, the same split and the same order.")]
HeldOut = Annotated[float, typer.Option(help="Share of the queries that is measured on.")]
Patience = Annotated[
    int, typer.Option(help="Looks without a lesser loss before it stops; 0 for never.")
]
MaxSteps = Annotated[int | None, typer.Option(help="Stop after so many steps.")]
MaxTokens = Annotated[
    int | None, typer.Option(help="Cut texts to so many tokens while the model learns.")
]
Negatives = Annotated[int, typer.Option(help="Hard negatives of an example.")]
BFloat16 = Annotated[
    bool,
    typer.Option(
        "--bfloat16", help="Learn in bfloat16 on a CPU too: faster on those that have it."
    ),
]
Depth = Annotated[int, typer.Option(help="Hits of each leg among which they are.")]
Sampling = Annotated[
    str | None, typer.Option(help="top, or random; without it random for a reranker.")
]
Candidates = Annotated[int, typer.Option(help="Hits of a search that a reranker is measured on.")]
Reranker = Annotated[
    str | None,
    typer.Option(help="Cross-encoder that drops negatives which may answer the query."),
]
Margin = Annotated[
    float,
    typer.Option(help="With --reranker: how much less than the positive a negative must score."),
]
DistilFrom = Annotated[
    str | None,
    typer.Option(help="Cross-encoder whose scores are learned, by the loss margin-mse."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the last checkpoint of an interrupted run.")
]


def judged(
    retriever: Retriever, collection: str, golden_set: str | None, folder: Path | None
) -> Judgements:
    """The judgements of a folder or of a golden set."""
    if folder is not None:
        if golden_set is not None:
            raise InvalidInput("give --set or --judgements, not both")
        return read_judgements(folder)
    from retrieval.evaluation.chosen_judgements import chosen_judgements

    return chosen_judgements(retriever, collection, None, golden_set or DEFAULT_SET)
