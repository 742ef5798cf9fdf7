"""Embeddings carried from one model's space into another's, with synthetic models."""

from typing import Any

import numpy as np
import pytest

from retrieval.errors import InvalidInput
from retrieval.spaces.alignment import fit_alignment

RNG = np.random.default_rng(5)


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def random_rotation(dimensions: int) -> Any:
    return np.linalg.qr(RNG.normal(size=(dimensions, dimensions)))[0]


def texts(count: int = 600, dimensions: int = 32) -> Any:
    """Embeddings in groups, so that neighbours mean something."""
    topics = RNG.normal(size=(count // 10, dimensions))
    return unit(np.repeat(topics, 10, axis=0) + 0.7 * RNG.normal(size=(count, dimensions)))


def test_a_rotation_is_recovered() -> None:
    source, turn = texts(), random_rotation(32)
    alignment = fit_alignment(source, source @ turn)
    assert alignment.matrix == pytest.approx(turn, abs=1e-5)
    assert (alignment.cosine, alignment.overlap) == pytest.approx((1, 1), abs=1e-5)
    assert alignment.held_out == 120


def test_what_is_held_out_is_what_is_measured() -> None:
    """Models that have nothing to do with each other: a fit to noise must not look well."""
    alignment = fit_alignment(RNG.normal(size=(100, 64)), RNG.normal(size=(100, 64)))
    assert abs(alignment.cosine) < 0.2
    assert alignment.overlap == pytest.approx(10 / 19, abs=0.1)  # of 19 others, by chance


def test_noise_costs_what_it_costs() -> None:
    source = texts(2000)
    losses = [
        fit_alignment(source, source @ random_rotation(32) + noise * RNG.normal(size=(2000, 32)))
        for noise in (0.05, 0.2)
    ]
    # a unit vector beside one with so much noise in each of 32 dimensions
    assert losses[0].cosine == pytest.approx(1 / np.sqrt(1 + 32 * 0.05**2), abs=0.01)
    assert losses[1].cosine == pytest.approx(1 / np.sqrt(1 + 32 * 0.2**2), abs=0.02)
    assert 1 > losses[0].overlap > losses[1].overlap > 10 / 399


def test_fewer_dimensions_lose_nothing_on_the_way_up() -> None:
    source = texts(600, 24)
    target = source @ random_rotation(48)[:24]
    alignment = fit_alignment(source, target)
    assert alignment.matrix.shape == (24, 48)
    assert alignment.cosine == pytest.approx(1, abs=1e-5)
    assert alignment.matrix @ alignment.matrix.T == pytest.approx(np.eye(24), abs=1e-5)


def test_more_dimensions_are_projected() -> None:
    """Where the target is a part of what the source knows, that part is found."""
    source = texts(1500, 48)
    source[:, 24:] *= 0.3
    turn = random_rotation(48)
    target = unit(source[:, :24])
    alignment = fit_alignment(source @ turn, target)
    assert alignment.matrix.shape == (48, 24)
    assert alignment.cosine > 0.98
    assert alignment.apply(source @ turn).shape == target.shape


def test_what_it_makes_has_length_one() -> None:
    source = texts()
    alignment = fit_alignment(source, source @ random_rotation(32))
    aligned = alignment.apply(7 * source[:5])
    assert aligned.dtype == np.float32
    assert np.linalg.norm(aligned, axis=1) == pytest.approx(np.ones(5))
    assert alignment.apply(source[0]) == pytest.approx(aligned[0], abs=1e-6)
    assert not alignment.apply(np.zeros(32)).any()


def test_it_repeats_itself_and_can_be_drawn_anew() -> None:
    source, target = texts(), texts()
    first, second = fit_alignment(source, target), fit_alignment(source, target)
    other = fit_alignment(source, target, rng=np.random.default_rng(9))
    assert first.cosine == second.cosine != other.cosine


GOOD = texts(50, 4)


@pytest.mark.parametrize(
    ("source", "target", "named"),
    [
        (GOOD[:49], GOOD[:49], "an alignment needs 50 pairs or more, not 49"),
        (GOOD, GOOD[:49], "source has 50 rows, target has 49"),
        (GOOD[0], GOOD, "source must be rows of embeddings"),
        (GOOD, np.empty((50, 0)), "target must be rows of embeddings"),
        (GOOD, np.where(np.arange(50)[:, None] == 3, 0, GOOD), "target: row 3 is all zeros"),
        (np.where(np.arange(50)[:, None] == 4, np.nan, GOOD), GOOD, "source: row 4"),
    ],
)
def test_unusable_samples(source: Any, target: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        fit_alignment(source, target)
