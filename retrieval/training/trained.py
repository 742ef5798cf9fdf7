"""What a training leaves: a model's folder, and how good the model is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.embedding.signature import Signature
from retrieval.evaluation.significance import Difference
from retrieval.training.fit import Fitted
from retrieval.training.kinds import TrainedKind
from retrieval.training.measured import Measured
from retrieval.training.options import TrainingOptions


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model and what it gained on queries that it has not learned from.

    For models that embed, `before` is the model that training began with, searching exactly among
    `chunks` chunks of the `collection_chunks` that there are. For a reranker it is the order of the
    search; `base` then is that of the reranker that training began with, if it was one already.
    `disjoint`: no document that answers a held-out query was learned from. `missing_documents` are
    judged and not in the collection. `signature` is that of the folder's embedder, which a new
    space is made from.
    """

    folder: Path
    kind: TrainedKind
    model: str
    collection: str
    options: TrainingOptions
    examples: int
    held_out: int
    disjoint: bool
    missing_documents: int
    chunks: int
    collection_chunks: int
    fitted: Fitted
    seconds: float
    before: Measured
    after: Measured
    difference: Mapping[str, Difference]
    base: Measured | None
    signature: Signature | None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON, without what each query scored."""
        found = asdict(self)
        found["folder"] = str(self.folder)
        for name in ("before", "after", "base"):
            if found[name] is not None:
                del found[name]["by_query"]
        return found
