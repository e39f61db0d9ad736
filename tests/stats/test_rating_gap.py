"""Mean ratings on 1 to 7 and the share of the gap."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats.rating_gap import gap_closed


def test_by_hand() -> None:
    """Means 5, 4, 6: half the gap."""
    found = gap_closed(
        [4, 5, 6, 5], [4, 4, 4, 4], [6, 6, 7, 5], rng=np.random.default_rng(0), resamples=200
    )
    assert [found.policy.value, found.start.value, found.reference.value] == [5, 4, 6]
    assert found.share is not None and found.share.value == pytest.approx(0.5)
    assert found.share.low < 0.5 < found.share.high and found.share.count == 4


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        ease = rng.normal(0, 1, 60)
        start, policy, best = (
            np.clip(mean + ease + rng.normal(0, 0.7, 60), -3, 11) for mean in (3.5, 4.1, 4.5)
        )
        found = gap_closed(policy, start, best, rng=rng, scale=(-3, 11), resamples=400)
        assert found.share is not None
        inside += found.share.low <= 0.6 <= found.share.high
    assert 0.91 <= inside / 200 <= 0.99


def test_no_gap_no_share() -> None:
    rng = np.random.default_rng(2)
    same = rng.integers(1, 8, (3, 40))
    assert gap_closed(*same, rng=rng).share is None


def test_mistakes_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match="same prompts"):
        gap_closed([1, 2], [1, 2], [1], rng=rng)
    with pytest.raises(BadInput, match="outside the scale"):
        gap_closed([0, 2], [1, 2], [1, 2], rng=rng)
