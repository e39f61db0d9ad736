"""How many labels: closed forms against simulation and by hand."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import wilson
from preftune.stats.economics import (
    allocate,
    comparisons_for_width,
    comparisons_to_detect,
    design_effect,
    majority_accuracy,
    rater_accuracy,
    variance_parts,
)


def test_comparisons_for_a_width() -> None:
    """At ½: z² / 4h² − z², z² = 3.8415."""
    assert comparisons_for_width(0.05) == int(np.ceil(3.841459 * (100 - 1)))
    assert comparisons_for_width(0.05, design_effect=2) == int(np.ceil(2 * 3.841459 * 99))
    assert comparisons_for_width(0.49, share=1.0) >= 1


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_one_fewer_is_too_few(share: float) -> None:
    n = comparisons_for_width(0.04, share=share)

    def width(count: int) -> float:
        # wilson() clips to hold the share itself; here its ends are inside
        found = wilson(share * count, count)
        return (found.high - found.low) / 2

    assert width(n) <= 0.04 < width(n - 1)


@pytest.mark.parametrize("share", [0.55, 0.65])
def test_power_by_simulation(share: float) -> None:
    n = comparisons_to_detect(share, power=0.8)
    wins = np.random.default_rng(0).binomial(n, share, 40_000)
    z = np.abs(wins - n / 2) / (n / 4) ** 0.5
    assert np.mean(z > 1.959964) == pytest.approx(0.8, abs=0.02)


def test_agreement_and_accuracy() -> None:
    """.726 ↔ .836, a majority of three .928; a drawn majority of two is a coin."""
    assert rater_accuracy(0.726) == pytest.approx(0.836, abs=5e-4)
    q = rater_accuracy(0.726)
    assert q**2 + (1 - q) ** 2 == pytest.approx(0.726)
    assert majority_accuracy(q, 3) == pytest.approx(q**3 + 3 * q**2 * (1 - q))
    assert majority_accuracy(q, 3) == pytest.approx(0.928, abs=5e-4)
    assert majority_accuracy(0.8, 2) == pytest.approx(0.8)
    assert majority_accuracy(0.8, 1) == pytest.approx(0.8)
    assert design_effect(5, 0.1) == pytest.approx(1.4)


def test_variance_parts_by_hand() -> None:
    """Items (1, 3), (5, 7): MSW 2, MSB 16, between (16 − 2) / 2 = 7, ICC 7 / 9."""
    parts = variance_parts([[1, 3], [5, 7]], rng=np.random.default_rng(0), resamples=50)
    assert parts.within.value == pytest.approx(2)
    assert parts.between.value == pytest.approx(7)
    assert parts.single.value == pytest.approx(7 / 9)
    assert parts.reliability(2) == pytest.approx(14 / 16)


def test_variance_parts_come_back() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(60):
        table = 2 * rng.normal(size=(150, 1)) + 3 * rng.normal(size=(150, 5))
        table[rng.random(table.shape) < 0.3] = np.nan
        parts = variance_parts(table, rng=rng, resamples=300)
        inside += parts.single.low <= 4 / 13 <= parts.single.high
    assert inside / 60 >= 0.87


def test_allocation_is_the_optimum() -> None:
    """Variance parts 7 and 2: √(c · 2 / 7 l) raters; free items have one each."""
    parts = variance_parts([[1, 3], [5, 7]], rng=np.random.default_rng(0), resamples=50)
    free = allocate(parts, budget=100, cost_per_label=0.5)
    assert (free.raters, free.items, free.cost) == (1, 200, 100.0)
    assert free.half_width == pytest.approx(1.959964 * (9 / 200) ** 0.5, rel=1e-6)
    dear = allocate(parts, budget=10_000, cost_per_label=1, cost_per_item=31.5)
    assert dear.raters == 3
    with pytest.raises(BadInput, match="two items"):
        allocate(parts, budget=1, cost_per_label=1)


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="half width"):
        comparisons_for_width(0.7)
    with pytest.raises(BadInput, match="shares differ"):
        comparisons_to_detect(0.5)
    with pytest.raises(BadInput, match="below chance"):
        rater_accuracy(0.3)
    with pytest.raises(BadInput, match="one with two ratings"):
        variance_parts([[1, np.nan], [2, np.nan]], rng=np.random.default_rng(0))
