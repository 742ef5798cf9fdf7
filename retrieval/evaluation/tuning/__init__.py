"""Finds how a collection is best searched, and proves it on queries that it has not seen."""

from retrieval.evaluation.tuning.tune import tune
from retrieval.evaluation.tuning.tuned import RankingTuning, Setting, Trial

__all__ = ["RankingTuning", "Setting", "Trial", "tune"]
