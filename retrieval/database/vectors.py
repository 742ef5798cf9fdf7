"""Judges the figures that `retrieval.describe_space` gives of a space's vectors.

The bounds come from seven collections of English and Chinese texts and a union of them all, 391 to
6,220 chunks under all-MiniLM-L6-v2, as they are (`pure`) and with half of the vectors turned by one
random rotation, which is what a second model of as many dimensions amounts to (`mixed`).
"""

from collections.abc import Iterator
from typing import Any

# Fewer vectors or pairs say too little; the spread of a share of 0.02 is then 0.02.
FEWEST_VECTORS = 30
FEWEST_PAIRS = 50

# Cosines below zero between neighbours: pure 0 to 0.02; mixed chunk by chunk 0.15 to 0.30. The
# hashing embedder, to which Chinese texts are all but unrelated, is at 0.08 with 384 dimensions and
# at 0.2 with 64 of them.
NEGATIVE_NEIGHBOURS = 0.1

# A group that nothing connects with the rest, in 200 samples: pure 0 to 0.02; mixed 0.2 to 0.5 but
# for two samples, in which a single cosine connected the halves by chance, and as much where the
# models change between documents, of which neighbours know nothing. With a fifth of the vectors
# mixed, 85 % of the samples are above the bound. Two subjects that have little in common (medicine
# and aeronautics, Chinese papers and shell commands) stay below it. The bimodality of random pairs
# (Sarle's coefficient) separates nothing: pure 0.37 to 0.62, mixed 0.44 to 0.71.
SEPARATE_VECTORS = 0.1

# How far neighbours are above random pairs, of what lies between those and 1: pure 0.32 to 0.72,
# mixed 0.07 to 0.33; vectors given to chunks at random -0.03 to 0.05.
NEARNESS_OF_NEIGHBOURS = 0.1

# Random pairs: pure 0.03 to 0.44; models with a narrow cone, such as E5, are known for 0.7 to 0.85.
COLLAPSED_COSINE = 0.95

# Equal vectors of different texts: none in any of the collections.
DUPLICATE_VECTORS = 0.1
ZERO_VECTORS = 0.01

# Deviation by mean of the lengths: what halfvec rounds off a unit vector is 0.00002.
NORM_DEVIATION = 0.01

NEW_SPACE = "embed everything into a new space, with one model"


def is_enough(figures: Any) -> bool:
    """Whether there are enough vectors to judge them."""
    return bool(figures.sampled >= FEWEST_VECTORS)


def figures_message(figures: Any) -> str:
    """The figures in words."""
    parts = [f"{figures.embeddings} embeddings"]
    if figures.mean_cosine is not None:
        parts.append(f"cosine of random pairs {figures.mean_cosine:.2f}")
    if figures.neighbour_cosine is not None:
        parts.append(f"of neighbouring chunks {figures.neighbour_cosine:.2f}")
    parts.append(
        f"length {figures.norm_mean:.4g} ± {figures.norm_deviation:.2g}"
        f" ({figures.norm_minimum:.4g} to {figures.norm_maximum:.4g})"
    )
    return ", ".join(parts)


def find_problems(figures: Any, metric: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the vectors, and what to do about it."""
    collapsed = figures.mean_cosine is not None and figures.mean_cosine > COLLAPSED_COSINE
    if collapsed:
        yield (
            f"vectors hardly differ: the cosine of random pairs is {figures.mean_cosine:.2f}",
            "check that the model is loaded in full and reads the texts",
        )
    if figures.duplicate_vectors > DUPLICATE_VECTORS:
        yield (
            f"{figures.duplicate_vectors:.0%} of the vectors are shared by different texts",
            "check that the model reads the texts",
        )
    if figures.zero_vectors > ZERO_VECTORS:
        yield f"{figures.zero_vectors:.0%} of the vectors are all zeros", "embed these chunks again"
    if metric == "inner_product" and figures.norm_deviation > NORM_DEVIATION * figures.norm_mean:
        yield (
            f"lengths differ, from {figures.norm_minimum:.4g} to {figures.norm_maximum:.4g}, "
            "and the inner product prefers the long ones",
            "unless the model was trained for that, normalise or use the metric cosine",
        )
    if not collapsed:
        yield from _find_strangers(figures)


def _find_strangers(figures: Any) -> Iterator[tuple[str, str]]:
    """Vectors that have nothing to do with those they should be near to."""
    if (figures.separate_vectors or 0) > SEPARATE_VECTORS:
        yield (
            f"at least {figures.separate_vectors:.0%} of the vectors are related to none of the "
            "others, as if two models had made them",
            f"unless the texts are of two worlds, {NEW_SPACE}",
        )
    if figures.neighbour_pairs < FEWEST_PAIRS:
        return
    if figures.negative_neighbours > NEGATIVE_NEIGHBOURS:
        yield (
            f"{figures.negative_neighbours:.0%} of neighbouring chunks have a negative cosine, "
            "as if two models had made them",
            NEW_SPACE,
        )
    nearer = figures.neighbour_cosine - figures.mean_cosine
    if nearer < NEARNESS_OF_NEIGHBOURS * (1 - figures.mean_cosine):
        yield (
            f"neighbouring chunks (cosine {figures.neighbour_cosine:.2f}) are hardly more alike "
            f"than random ones ({figures.mean_cosine:.2f})",
            f"check that every vector was stored with its own chunk, or {NEW_SPACE}",
        )
