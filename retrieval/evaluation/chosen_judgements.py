"""The judgements that a comparison, a tuning or a training goes by."""

from retrieval.errors import InvalidInput
from retrieval.golden_sets.judgements import Judgements
from retrieval.search import Retriever


def chosen_judgements(
    retriever: Retriever, collection: str, given: Judgements | None, golden_set: str
) -> Judgements:
    """Those given, or else those of a golden set; InvalidInput where there is no query."""
    found = given or retriever.golden_sets.judgements(collection, golden_set)
    if not found.queries:
        named = "the judgements" if given is not None else f"golden set {golden_set}"
        raise InvalidInput(f"{named}: there is no judged query")
    return found
