"""Looking after every comparison keeps the error rate."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import sequential_win_rate, share_estimate
from preftune.stats.sequential import confidence_sequence


def peeked(x: np.ndarray) -> bool:
    """Whether the usual interval, looked at from the 20th comparison on, ever leaves out ½."""
    n = np.arange(1, x.size + 1)
    mean = np.cumsum(x) / n
    half = 1.96 * (np.maximum(np.cumsum(x**2) / n - mean**2, 1e-9) / n) ** 0.5
    return bool((np.abs(mean - 0.5) > half)[20:].any())


def test_the_error_rate_holds_where_peeking_does_not() -> None:
    """Truth .5 with 30 % ties, 300 comparisons: at most 5 % (of 200 sequences, 20 is the limit at
    four standard errors) are ever called better or worse; the usual interval fails a fifth."""
    rng = np.random.default_rng(0)
    drawn = rng.choice([0, 0.5, 1], p=[0.35, 0.3, 0.35], size=(200, 300))
    assert sum(sequential_win_rate(x).decision != "undecided" for x in drawn) <= 20
    assert np.mean([peeked(x) for x in drawn]) > 0.2


@pytest.mark.proof
def test_the_error_rate_over_4000_sequences() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.choice([0, 0.5, 1], p=[0.35, 0.3, 0.35], size=(4000, 500))
    wrong = np.mean([sequential_win_rate(x).decision != "undecided" for x in drawn])
    assert wrong <= 0.05


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_the_sequence_holds_the_truth_throughout(share: float) -> None:
    rng = np.random.default_rng(1)
    outside = 0
    for _ in range(150):
        low, high = confidence_sequence((rng.random(400) < share).astype(float))
        outside += bool(((low > share) | (high < share)).any())
    assert outside / 150 <= 0.05


def test_it_stops_early_when_the_answer_is_clear() -> None:
    rng = np.random.default_rng(2)
    x = (rng.random(2000) < 0.7).astype(float)
    found = sequential_win_rate(x)
    assert found.decision == "better" and found.units < 300
    assert found.win_rate.low > 0.5 and found.win_rate.count == found.units
    assert found.win_rate.value == pytest.approx(x[: found.units].mean())
    assert sequential_win_rate(1 - x).decision == "worse"
    assert sequential_win_rate(1 - x).units == found.units
    precise = sequential_win_rate(np.tile([0.0, 1.0], 3000), half_width=0.05)
    assert precise.decision == "precise"
    assert precise.win_rate.high - precise.win_rate.low <= 0.1 + 1e-9


def test_it_is_not_much_wider_than_a_fixed_interval() -> None:
    rng = np.random.default_rng(3)
    x = rng.choice([0, 0.5, 1], p=[0.2, 0.4, 0.4], size=2000)
    low, high = confidence_sequence(x)
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()
    fixed = share_estimate(x)
    assert 1 < (high[-1] - low[-1]) / (fixed.high - fixed.low) < 2


def test_both_orders_of_a_prompt_count_once() -> None:
    x = np.random.default_rng(4).choice([0.0, 0.5, 1.0], p=[0.1, 0.2, 0.7], size=100)
    twice = sequential_win_rate(np.repeat(x, 2), np.repeat(np.arange(100), 2))
    assert twice == sequential_win_rate(x)


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="between 0 and 1"):
        confidence_sequence([1.2])
    with pytest.raises(BadInput, match="level"):
        confidence_sequence([1.0], level=1)
