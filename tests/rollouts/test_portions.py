"""Prompts cut into portions. That no token depends on it: test_memory.py."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from preftune.models import portions_of
from preftune.rollouts.memory import SPARED


def test_portions_by_hand() -> None:
    assert portions_of([16, 17, 100, 120], SPARED) == [slice(0, 4)], "480 columns; 274 as two"
    assert portions_of([16, 17, 18, 19, 120], SPARED) == [slice(0, 4), slice(4, 5)], (
        "600; 196 as two"
    )
    assert portions_of([40] * 10, SPARED) == [slice(0, 10)]
    assert portions_of([1000, 5000], SPARED) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("seed", range(5))
def test_no_other_portions_are_better(seed: int) -> None:
    """Against every way to cut eight prompts."""
    lengths = sorted(np.random.default_rng(seed).integers(1, 600, 8).tolist())

    def cost(portions: list[slice]) -> int:
        return sum((p.stop - p.start) * lengths[p.stop - 1] + SPARED for p in portions)

    ways = [
        [slice(a, b) for a, b in pairwise([0, *inner, 8])]
        for count in range(8)
        for inner in combinations(range(1, 8), count)
    ]
    assert len(ways) == 128
    assert cost(portions_of(lengths, SPARED)) == min(map(cost, ways))
