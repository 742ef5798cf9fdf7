"""Cross-encoders as teachers: they drop false negatives, and their scores are what is learned."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from retrieval.embedding.embedder import Floats
from retrieval.reranking import (
    WORD_OVERLAP,
    CrossEncoderReranker,
    Reranker,
    WordOverlapReranker,
)
from retrieval.spaces.progress import Progress
from retrieval.training.examples import TrainingExample

SCORING = "scoring by the cross-encoder"


class Teacher(CrossEncoderReranker):
    """Scores with what the model computes before its last function.

    That is a sigmoid for most models: near 1 it leaves no difference between the good and the best.
    """

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.zeros(0, dtype=np.float32)
        from torch.nn import Identity

        encoder: Any = self._load()
        scores = encoder.predict(
            [(query, text) for text in texts],
            batch_size=self._batch_size,
            activation_fn=Identity(),
            show_progress_bar=False,
        )
        return np.asarray(scores, dtype=np.float32)


def teacher(reranker: Reranker | str | None) -> Reranker | None:
    """The reranker of a name with scores that can be learned from; another one as it is."""
    if reranker == WORD_OVERLAP:
        return WordOverlapReranker()
    return Teacher(reranker) if isinstance(reranker, str) else reranker


def with_scores(
    scorer: Reranker, examples: Sequence[TrainingExample], progress: Progress
) -> list[TrainingExample]:
    """The examples with the scores that it gives their texts."""
    scored = []
    for number, each in enumerate(examples, 1):
        scores = scorer.score(each.query, [each.positive, *each.negatives])
        scored.append(replace(each, scores=scores.tolist()))
        progress(SCORING, number, len(examples))
    return scored
