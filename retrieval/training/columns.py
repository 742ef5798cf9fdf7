"""From examples to the columns that a loss takes: of which, and in which order, it decides by."""

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np

from retrieval.errors import InvalidInput
from retrieval.training.examples import TrainingExample
from retrieval.training.kinds import MARGIN_MSE

QUERY = "query"
LABEL = "label"
PAIRS = ("contrastive", "cosine", "bce")

Columns = Mapping[str, list[Any]]


def columns_of(
    examples: Sequence[TrainingExample], loss: str, negatives: int, seed: int
) -> Columns:
    """One row an example, for losses of pairs and triplets one for each of its texts.

    Every row has as many negatives; where an example has fewer, they are repeated, and where it has
    none, the positives of other queries are taken by chance. Not so for what learns from scores.
    """
    if loss in PAIRS:
        return _pairs(examples, negatives)
    if loss == "triplet":
        return _triplets(examples, negatives)
    if loss == MARGIN_MSE:
        return _scored(examples, negatives)
    filled = _filled(examples, negatives, seed)
    rows: dict[str, list[Any]] = {
        QUERY: [each.query for each in examples],
        "positive": [each.positive for each in examples],
    }
    for number in range(negatives):
        rows[f"negative_{number + 1}"] = [each[number] for each in filled]
    return rows


def _pairs(examples: Sequence[TrainingExample], negatives: int) -> Columns:
    rows = [
        (each.query, text, float(place == 0))
        for each in examples
        for place, text in enumerate([each.positive, *each.negatives[:negatives]])
    ]
    queries, texts, labels = zip(*rows, strict=True)
    return {QUERY: list(queries), "document": list(texts), LABEL: list(labels)}


def _triplets(examples: Sequence[TrainingExample], negatives: int) -> Columns:
    rows = [
        (each.query, each.positive, negative)
        for each in examples
        for negative in each.negatives[:negatives]
    ]
    if not rows:
        raise InvalidInput("no example has a negative, which loss triplet learns from")
    queries, positives, others = zip(*rows, strict=True)
    return {QUERY: list(queries), "positive": list(positives), "negative": list(others)}


def _scored(examples: Sequence[TrainingExample], negatives: int) -> Columns:
    if any(each.scores is None for each in examples):
        raise InvalidInput(
            f"loss {MARGIN_MSE} learns from scores: name the cross-encoder to distil from, or give "
            "examples that have scores"
        )
    rows: dict[str, list[Any]] = {QUERY: [], "positive": []}
    rows.update((f"negative_{number + 1}", []) for number in range(negatives))
    rows[LABEL] = []
    for each in examples:
        if not each.negatives:
            continue
        scores = list(each.scores or ())
        places = list(islice(cycle(range(len(each.negatives))), negatives))
        texts = [each.query, each.positive, *(each.negatives[place] for place in places)]
        margins = [scores[0] - scores[1 + place] for place in places]
        for name, value in zip(rows, [*texts, margins], strict=True):
            rows[name].append(value)
    if not rows[QUERY]:
        raise InvalidInput(f"no example has a negative, which loss {MARGIN_MSE} learns from")
    return rows


def _filled(examples: Sequence[TrainingExample], negatives: int, seed: int) -> list[Sequence[str]]:
    answers: dict[str, set[str]] = {}
    for each in examples:
        answers.setdefault(each.query, set()).add(each.positive)
    positives = sorted({each.positive for each in examples})
    random = np.random.default_rng(seed)
    filled: list[Sequence[str]] = []
    for each in examples:
        own = each.negatives
        if not own and negatives:
            others = [text for text in positives if text not in answers[each.query]]
            if not others:
                raise InvalidInput(f"there is no negative for the query {each.query!r}")
            own = [others[random.integers(len(others))] for _ in range(negatives)]
        filled.append(list(islice(cycle(own), negatives)))
    return filled
