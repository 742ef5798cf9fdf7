"""`retrieval train dense`, `reranker`, `sparse`, `multivector` and `negatives`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli import train_options as options
from retrieval.cli.judged_options import number_list
from retrieval.cli.opened import open_retriever
from retrieval.cli.options import DatabaseUrl, Json, Tenant
from retrieval.cli.output import print_json, print_table, say, table
from retrieval.cli.phases import Phases
from retrieval.cli.space_options import Collection

if TYPE_CHECKING:
    from retrieval.training.kinds import TrainedKind
    from retrieval.training.trained import TrainedModel

app = typer.Typer(
    help="Make models better on a collection's own judged queries.", no_args_is_help=True
)

ABOUT = {
    "dense": "an embedding model: losses mnrl, triplet, contrastive, cosine, margin-mse",
    "reranker": "a cross-encoder: losses mnrl, bce, margin-mse",
    "sparse": "a sparse model: losses mnrl, triplet, cosine, margin-mse",
    "multivector": "a late-interaction model: losses mnrl, margin-mse",
}


def _command(kind: "TrainedKind") -> Callable[..., None]:
    def command(
        collection: Collection,
        output: options.Output,
        golden_set: options.Set = None,
        judgements: options.JudgementsFolder = None,
        examples: options.Examples = None,
        model: options.Model = None,
        loss: options.Loss = None,
        matryoshka: options.Matryoshka = None,
        epochs: options.Epochs = 3,
        batch_size: options.BatchSize = 32,
        learning_rate: options.LearningRate = None,
        negatives: options.Negatives = 4,
        depth: options.Depth = 30,
        sampling: options.Sampling = None,
        reranker: options.Reranker = None,
        margin: options.Margin = 0.0,
        distil_from: options.DistilFrom = None,
        held_out: options.HeldOut = 0.3,
        candidates: options.Candidates = 50,
        patience: options.Patience = 3,
        max_steps: options.MaxSteps = None,
        max_tokens: options.MaxTokens = None,
        bfloat16: options.BFloat16 = False,
        seed: options.Seed = 0,
        resume: options.Resume = False,
        database_url: DatabaseUrl = None,
        tenant: Tenant = None,
        json: Json = False,
    ) -> None:
        from retrieval.training import train

        with open_retriever(database_url, tenant) as retriever, Phases() as show:
            named = examples is None or golden_set is not None or judgements is not None
            trained = train(
                retriever,
                collection,
                kind,
                output=output,
                judgements=(
                    options.judged(retriever, collection, golden_set, judgements) if named else None
                ),
                examples=examples,
                model=model,
                reranker=reranker,
                margin=margin,
                distil_from=distil_from,
                resume=resume,
                on_progress=show,
                loss=loss or "",
                matryoshka=number_list("--matryoshka", matryoshka or ""),
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate or 0,
                seed=seed,
                held_out=held_out,
                candidates=candidates,
                patience=patience,
                max_steps=max_steps,
                max_tokens=max_tokens,
                negatives=negatives,
                depth=depth,
                sampling=sampling or "",
                bfloat16=bfloat16,
            )
        if json:
            print_json(trained.to_json())
        else:
            _print_trained(trained)

    command.__doc__ = (
        f"Train {ABOUT[kind]}.\n\nSome queries are held out, and measured before and after. "
        "The folder is there once all is done."
    )
    return command


for _kind in ABOUT:
    app.command(_kind)(_command(_kind))  # type: ignore[arg-type]


def _print_trained(trained: "TrainedModel") -> None:
    from retrieval.training.card import base_line, measures_table, summary

    for line in summary(trained):
        say(line)
    shown = table("measure", "before", "after", "gain (95 % interval)", "p")
    for row in measures_table(trained):
        shown.add_row(*row)
    print_table(shown)
    if base := base_line(trained):
        say(base)
    say(f"the model is in {trained.folder}")
    if trained.signature is not None:
        of_kind = "" if trained.kind == "dense" else f" --kind {trained.kind}"
        say(
            "to search with it: retrieval spaces migrate "
            f"{trained.collection} --model {trained.folder}{of_kind}"
        )
    else:
        say(f"to search with it: retrieval search {trained.collection} --rerank {trained.folder}")


@app.command("negatives")
def negatives(
    collection: Collection,
    output: Annotated[
        Path, typer.Option(help="Where they go.", metavar="FILE.jsonl", show_default=False)
    ],
    golden_set: options.Set = None,
    judgements: options.JudgementsFolder = None,
    kind: Annotated[
        str, typer.Option(help="Of the model that they are for: it decides over the texts.")
    ] = "dense",
    negatives: options.Negatives = 4,
    depth: options.Depth = 30,
    skip_first: Annotated[int, typer.Option(help="How many of each leg's first are left out.")] = 0,
    leg: Annotated[
        list[str] | None, typer.Option(help="keyword, semantic, …; repeatable; both without.")
    ] = None,
    sampling: options.Sampling = None,
    seed: options.Seed = 0,
    reranker: options.Reranker = None,
    margin: options.Margin = 0.0,
    database_url: DatabaseUrl = None,
    tenant: Tenant = None,
    json: Json = False,
) -> None:
    """Write what the searches find and judgements do not: query, positive, negatives."""
    from retrieval.training import mine_negatives, write_examples
    from retrieval.training.kinds import checked_trained_kind

    chosen: dict[str, Any] = {"legs": leg} if leg else {}
    with open_retriever(database_url, tenant) as retriever, Phases() as show:
        examples = mine_negatives(
            retriever,
            collection,
            options.judged(retriever, collection, golden_set, judgements),
            kind=checked_trained_kind(kind),
            per_query=negatives,
            depth=depth,
            skip_first=skip_first,
            sampling=sampling or ("random" if kind == "reranker" else "top"),
            seed=seed,
            reranker=reranker,
            margin=margin,
            on_progress=show,
            **chosen,
        )
    write_examples(output, examples)
    found = sum(len(each.negatives) for each in examples)
    if json:
        print_json({"examples": len(examples), "negatives": found, "output": str(output)})
    else:
        say(f"{len(examples)} examples with {found} negatives are in {output}")
