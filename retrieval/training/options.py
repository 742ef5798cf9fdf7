"""How a model is trained, checked before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retrieval.errors import InvalidInput
from retrieval.training.kinds import LOSSES, MARGIN_MSE, RANDOM, TOP, TrainedKind, checked_sampling

LEARNING_RATES: dict[TrainedKind, float] = {
    "dense": 2e-5,
    "reranker": 3e-5,
    "sparse": 2e-5,
    "multivector": 1e-5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """`held_out` is the share of the queries that is measured on and never learned from.

    `patience` is how many looks at the loss of other examples may pass without a better one before
    training ends; there are four an epoch, and 0 is never. `max_tokens` cuts texts shorter
    than the model would, while it learns only. `negatives` is how many an example gets of what the
    legs find in their first `depth` hits, by `sampling` the top ones, or, which is the default for
    rerankers, some at random. `candidates` is how many hits a reranker is measured on.
    `bfloat16` computes in that on a CPU as well, which one that has instructions for it does in
    less than half the time; a GPU computes in half precision anyway.
    """

    kind: TrainedKind
    loss: str = ""
    matryoshka: Sequence[int] = ()
    epochs: float = 3
    batch_size: int = 32
    learning_rate: float = 0
    seed: int = 0
    held_out: float = 0.3
    patience: int = 3
    max_steps: int | None = None
    max_tokens: int | None = None
    negatives: int = 4
    depth: int = 30
    sampling: str = ""
    candidates: int = 50
    bfloat16: bool = False

    def __post_init__(self) -> None:
        losses = LOSSES[self.kind]
        self._default("loss", losses[0])
        self._default("learning_rate", LEARNING_RATES[self.kind])
        self._default("sampling", RANDOM if self.kind == "reranker" else TOP)
        checked_sampling(self.sampling)
        if self.loss not in losses:
            raise InvalidInput(
                f"loss {self.loss!r} is not one of those for kind {self.kind}: {', '.join(losses)}"
            )
        if self.matryoshka and self.kind != "dense":
            raise InvalidInput(f"matryoshka is for dense models, not for kind {self.kind}")
        for name in ("epochs", "learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InvalidInput(f"{name} must be more than 0, not {getattr(self, name)}")
        least = {"batch_size": 2, "patience": 0, "max_steps": 1, "max_tokens": 3, "negatives": 0}
        least |= {"candidates": 1, "depth": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise InvalidInput(f"{name} must be at least {smallest}, not {value}")
        if self.loss in ("triplet", MARGIN_MSE) and not self.negatives:
            raise InvalidInput(f"loss {self.loss} needs negatives")
        if not 0 < self.held_out < 1:
            raise InvalidInput(f"held_out must be between 0 and 1, not {self.held_out}")

    def _default(self, name: str, value: Any) -> None:
        if not getattr(self, name):
            object.__setattr__(self, name, value)

    def check_dimensions(self, dimensions: int) -> None:
        """Refuse Matryoshka dimensions that the model has not."""
        for each in self.matryoshka:
            if not 1 <= each <= dimensions:
                raise InvalidInput(
                    f"matryoshka dimension {each}: the model has vectors of {dimensions}"
                )
