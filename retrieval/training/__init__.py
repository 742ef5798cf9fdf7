"""Models made better on a collection's own judged queries: negatives, fine-tuning, distillation."""

from retrieval.training.examples import TrainingExample, read_examples, write_examples
from retrieval.training.kinds import LOSSES, TRAINED_KINDS, TrainedKind
from retrieval.training.negatives import mine_negatives
from retrieval.training.options import TrainingOptions
from retrieval.training.train import train
from retrieval.training.trained import TrainedModel

__all__ = [
    "LOSSES",
    "TRAINED_KINDS",
    "TrainedKind",
    "TrainedModel",
    "TrainingExample",
    "TrainingOptions",
    "mine_negatives",
    "read_examples",
    "train",
    "write_examples",
]
