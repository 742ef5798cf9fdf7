"""What every report says, in the same words."""

from collections.abc import Iterator

from retrieval.evaluation.results import Evaluation, Measured, SettingsResult
from retrieval.evaluation.significance import Difference


def measured(found: Measured) -> str:
    """A mean with its interval, such as 0.374 [0.341, 0.408]."""
    if found.interval is None:
        return f"{found.mean:.3f}"
    return f"{found.mean:.3f} [{found.interval.low:.3f}, {found.interval.high:.3f}]"


def changed(difference: Difference) -> str:
    """A difference with its interval, such as +0.030 [+0.006, +0.054]."""
    if difference.interval is None:
        return f"{difference.mean:+.3f}"
    low, high = difference.interval.low, difference.interval.high
    return f"{difference.mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def p_value(found: float | None) -> str:
    """A p-value to four places; fewer than the resamples can tell are not said."""
    return "-" if found is None else "< 0.001" if found < 0.001 else f"{found:.3f}"


def heading(evaluation: Evaluation) -> str:
    """What was measured on what."""
    if evaluation.golden_set is None:
        golden = "judgements that are not stored"
    else:
        kind = f"{evaluation.origin} " if evaluation.origin else ""
        golden = f"{kind}golden set {evaluation.golden_set}, version {evaluation.version}"
    queries = len(evaluation.judgements.queries)
    return f"{evaluation.collection}: {golden}, {queries} quer{'y' if queries == 1 else 'ies'}"


def about_p_values(evaluation: Evaluation) -> str:
    """How the p-values came about."""
    adjusted = ", adjusted by Holm's method" if len(evaluation.settings) > 2 else ""
    return f"p: two-sided paired randomisation test{adjusted}; intervals: 95 %, by the bootstrap"


def facts(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """What it takes to have the numbers again."""
    context = evaluation.context
    yield "documents, chunks", f"{context['documents']}, {context['chunks']}"
    yield "text configuration", context["text_config"]
    for space in context["spaces"]:
        revision = f" at {space['revision']}" if space["revision"] else ""
        yield (
            f"space {space['name']}",
            f"{space['model']}{revision}, {space['kind']}, {space['dimensions']} dimensions, "
            f"{space['index_method']} {space['quantization']}",
        )
    for name, model in context["rerankers"].items():
        yield f"reranker of {name}", model
    yield "depth, seed", f"{context['depth']}, {context['seed']}"
    yield "judgements, documents", f"sha256 {context['judgements'][:16]}, {context['fingerprint']}"
    yield "retrieval", context["package"]


def first_relevant(evaluation: Evaluation, result: SettingsResult, query_key: str) -> str:
    """The rank of the first relevant document that settings found for a query."""
    grades = evaluation.judgements.relevance[query_key]
    for rank, key in enumerate(result.queries[query_key].document_keys, 1):
        if grades.get(key, 0) > 0:
            return str(rank)
    return "none"
