"""Elo against evalica and by hand."""

import evalica
import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import bradley_terry, elo, elo_estimates
from preftune.stats.bradley_terry import POINTS

NAMES = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}


@pytest.mark.parametrize("seed", range(5))
def test_as_evalica(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 5, 300)
    second = (first + rng.integers(1, 5, 300)) % 5
    y = rng.choice([0.0, 0.5, 1.0], 300)
    theirs = evalica.elo(
        [str(code) for code in first],
        [str(code) for code in second],
        [NAMES[float(s)] for s in y],
        k=16,
    ).scores.sort_index()
    assert elo(first, second, y, step=16) == pytest.approx(theirs.to_numpy(), abs=1e-9)


def test_by_hand() -> None:
    """Equals: the winner gets K / 2. Then 400 points apart expects 10 / 11."""
    assert elo([0], [1], [1], step=32).tolist() == [1016.0, 984.0]
    assert elo([0], [1], [0.5]).tolist() == [1000.0, 1000.0]
    first = elo([0, 0], [1, 1], [1, 0], step=32)
    second = elo([0, 0], [1, 1], [0, 1], step=32)
    assert first.sum() == pytest.approx(2000) and first[0] != pytest.approx(second[0])


def test_many_orders_meet_bradley_terry() -> None:
    """θ = (.6, 0, −.6) logits; small steps and many games in random orders find its scale."""
    rng = np.random.default_rng(0)
    theta = np.array([0.6, 0.0, -0.6])
    first = rng.integers(0, 3, 4000)
    second = (first + rng.integers(1, 3, 4000)) % 3
    y = (rng.random(4000) < 1 / (1 + np.exp(theta[second] - theta[first]))).astype(float)
    found = elo_estimates(first, second, y, rng=rng, clusters=np.arange(4000) // 4, resamples=60)
    fit = bradley_terry(first, second, y)
    for one, strength in zip(found, fit.theta, strict=True):
        assert one.count == 1000 and one.low < one.value < one.high
        assert one.value == pytest.approx(1000 + POINTS * strength, abs=15)


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="numbered from 0"):
        elo([0], [3], [1], count=2)
    with pytest.raises(BadInput, match="first, a second and an outcome"):
        elo([0, 1], [1], [1])
