"""The part of a reranking model that the rest of the package relies on."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from retrieval.embedding.embedder import Floats


@runtime_checkable
class Reranker(Protocol):
    """Scores texts for a query; may be called from several threads at once.

    A reranker that needs a model loads it on first need, and `score` may then raise
    ModelUnavailable.
    """

    @property
    def model(self) -> str:
        """The name from which `create_reranker` makes it again."""

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return one score for each text, in the order of the texts; higher is better.

        float32 of shape (texts,), on a scale of the model's own: scores of one query compare with
        each other only. NaN is a text that cannot be scored.
        """
