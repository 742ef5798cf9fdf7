"""The page that lies in a model's folder."""

from typing import Any

from retrieval.training.trained import TrainedModel


def measures_table(trained: TrainedModel) -> list[tuple[str, str, str, str, str]]:
    """A row for each measure: its name, before, after, the gain with its interval, and p."""
    rows = []
    for name, difference in trained.difference.items():
        interval = difference.interval
        gain = f"{difference.mean:+.3f}"
        if interval is not None:
            gain += f" ({interval.low:+.3f} to {interval.high:+.3f})"
        chance = "-" if difference.p_value is None else f"{difference.p_value:.4f}"
        before, after = (each.means[name] for each in (trained.before, trained.after))
        rows.append((name, f"{before:.3f}", f"{after:.3f}", gain, chance))
    return rows


def model_card(trained: TrainedModel) -> str:
    """Markdown: what the model is, how it was trained, and what it gained."""
    options = trained.options
    lines = [
        f"# A {trained.kind} model trained on {trained.collection}",
        "",
        f"Trained from `{trained.model}` on {trained.examples} examples with loss {options.loss}, "
        f"{options.epochs:g} epochs, batches of {options.batch_size}, learning rate "
        f"{options.learning_rate:g}, seed {options.seed}; the weights are those of step "
        f"{trained.fitted.best_step} of {trained.fitted.steps}.",
        "",
        f"{trained.held_out} held-out queries, {_apart(trained)}; 95 % intervals by the bootstrap, "
        "p by the paired randomisation test:",
        "",
        "| measure | before | after | gain | p |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in measures_table(trained)),
        "",
    ]
    return "\n".join(lines)


def _apart(trained: TrainedModel) -> str:
    if trained.disjoint:
        return "none of whose relevant documents was learned from"
    return "some of whose relevant documents were learned from for other queries"


def summary(trained: TrainedModel) -> list[str]:
    """Lines for whoever waits for it."""
    fitted = trained.fitted
    stopped = ", as it got no better" if fitted.stopped_early else ""
    lines = [
        f"{trained.examples} examples, {fitted.steps} steps{stopped}; kept are the weights of step "
        f"{fitted.best_step}",
        f"{trained.held_out} held-out queries, {_apart(trained)}",
    ]
    if trained.held_out == 1:
        lines.append("of a single query no interval is known")
    if trained.missing_documents:
        lines.append(f"{trained.missing_documents} judged documents are not in the collection")
    if trained.chunks < trained.collection_chunks:
        lines.append(f"measured among {trained.chunks} of {trained.collection_chunks} chunks")
    return lines


def base_line(trained: TrainedModel) -> str | None:
    """What the reranker that training began with has, where it was one."""
    if trained.base is None:
        return None
    means: Any = trained.base.means
    shown = ", ".join(f"{name} {means[name]:.3f}" for name in means)
    return f"reranked by {trained.model}, before it was trained: {shown}"
