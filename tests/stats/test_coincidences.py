"""Sums over items, by hand."""

import numpy as np
import pytest

from preftune.stats.coincidences import Coincidences, between_pools, within_pool


def test_within_a_pool() -> None:
    """(2, 1): pairs aa 2, ab 2, ba 2 of 6. (1, 0) has no pair. (0, 2): bb 2 of 2."""
    counts = np.array([[2.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
    sums = within_pool(counts, np.array([0, 0, 1]))
    assert sums.agreement[0].tolist() == [[pytest.approx(1 / 3)] * 2, [pytest.approx(1 / 3), 0]]
    assert sums.agreement[1].tolist() == [[0, 0], [0, 1]]
    assert sums.pairable.tolist() == [1, 1] and sums.rated.tolist() == [[2, 2], [1, 1]]
    assert sums.first[0].tolist() == pytest.approx([2 / 3 + 1, 1 / 3])
    assert sums.coincidences.sum(axis=(1, 2)).tolist() == pytest.approx([3, 2])


def test_between_two_pools() -> None:
    """Item 1: pool one said a, a; pool two b. Item 2: only pool one."""
    sums = between_pools(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 0.0]]))
    assert sums.agreement[0].tolist() == [[0, 1], [0, 0]]
    assert sums.coincidences[0].tolist() == [[0, 1.5], [1.5, 0]]
    assert sums.rated[0].tolist() == [2, 1] and sums.pairable[0] == 1


def test_one_rater_each_side_is_a_pool_of_two() -> None:
    rng = np.random.default_rng(0)
    one, two = np.eye(3)[rng.integers(3, size=20)], np.eye(3)[rng.integers(3, size=20)]
    apart, together = between_pools(one, two), within_pool(one + two)
    assert apart.coincidences == pytest.approx(together.coincidences)
    assert (apart.first + apart.second) / 2 == pytest.approx(together.first)


def test_flat_and_back() -> None:
    counts = np.random.default_rng(1).integers(0, 3, size=(10, 4)).astype(float)
    sums = within_pool(counts, np.arange(10) % 3)
    again = Coincidences.from_flat(sums.flat(), 4)
    for name in ("agreement", "pairable", "first", "second", "rated", "coincidences"):
        assert np.array_equal(getattr(again, name), getattr(sums, name)), name
