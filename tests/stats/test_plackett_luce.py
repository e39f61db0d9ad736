"""Plackett–Luce against choix and by hand."""

import choix
import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import bradley_terry, plackett_luce


def rankings(seed: int, n: int = 6, count: int = 200) -> tuple[list[list[int]], np.ndarray]:
    """Gumbel noise added to strengths, sorted, is Plackett–Luce."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=n)
    made = []
    for _ in range(count):
        some = rng.permutation(n)[: rng.integers(2, n + 1)]
        noisy = theta[some] + rng.gumbel(size=some.size)
        made.append([int(code) for code in some[np.argsort(-noisy)]])
    return made, theta - theta.mean()


@pytest.mark.parametrize("seed", range(5))
def test_as_choix(seed: int) -> None:
    made, _ = rankings(seed)
    theirs = choix.opt_rankings(6, made, tol=1e-12)
    assert plackett_luce(made).theta == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_two_at_a_time_is_bradley_terry() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 4, 100)
    second = (first + rng.integers(1, 4, 100)) % 4
    pairs = [[int(a), int(b)] for a, b in zip(first, second, strict=True)]
    clusters = np.arange(100) // 5
    one = plackett_luce(pairs, clusters=clusters)
    two = bradley_terry(first, second, np.ones(100), clusters=clusters)
    assert one.theta == pytest.approx(two.theta, abs=1e-8)
    assert one.covariance == pytest.approx(two.covariance, abs=1e-8)
    plain = plackett_luce(pairs).covariance
    assert plain == pytest.approx(bradley_terry(first, second, np.ones(100)).covariance, abs=1e-8)


def test_intervals_cover() -> None:
    inside = []
    for seed in range(100):
        made, theta = rankings(500 + seed, n=4, count=80)
        found = plackett_luce(made).estimates()
        inside += [one.low <= t <= one.high for one, t in zip(found, theta, strict=True)]
    assert 0.92 <= np.mean(inside) <= 0.98


def test_what_no_ranking_fixes_is_said() -> None:
    found = plackett_luce([[0, 1, 2], [0, 2, 1]])
    assert "prior" in found.warning and found.theta[0] > 0
    assert found.theta[1] == pytest.approx(found.theta[2])
    with pytest.raises(BadInput, match="no ridge holds them"):
        plackett_luce([[0, 1]], ridge=0.0)


def test_mistakes_are_named() -> None:
    for wrong in ([[0]], [[0, 0]], [[0, -1]]):
        with pytest.raises(BadInput, match="Ranking 1 needs two or more different"):
            plackett_luce(wrong)
    with pytest.raises(BadInput, match="no rankings"):
        plackett_luce([])
    with pytest.raises(BadInput, match="numbered from 0 to 1"):
        plackett_luce([[0, 2]], count=2)
