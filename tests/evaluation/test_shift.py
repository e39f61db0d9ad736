"""Distribution shift: hand values, a shift that is there, and none where there is none."""

import numpy as np
import pytest

from preftune.evaluation.shift import distribution_shift
from preftune.records import Axes, BadInput


def axes(scores: np.ndarray, doubts: np.ndarray | None = None) -> list[Axes | None]:
    if doubts is None:
        return [{"score": float(score)} for score in scores]
    pairs = zip(scores, doubts, strict=True)
    return [{"score": float(score), "disagreement": float(doubt)} for score, doubt in pairs]


def test_hand_values() -> None:
    train = axes(np.arange(100.0), np.full(100, 2.0))
    now = axes(np.full(20, 99.5), np.full(20, 5.0))
    found = distribution_shift(now, train, list(range(20)))
    spread = np.std(np.arange(100.0), ddof=1)
    assert found.score.value == pytest.approx((99.5 - 49.5) / spread)
    assert found.extreme.value == 1 and found.apart.value == 1
    assert found.uncertainty is not None and found.uncertainty.value == pytest.approx(2.5)
    assert found.more_uncertain is not None and found.more_uncertain.value == 1
    ties = distribution_shift(axes(np.full(20, 50.0)), axes(np.arange(100.0)), list(range(20)))
    assert ties.apart.value == pytest.approx((50 + 0.5) / 100)
    assert ties.uncertainty is None and "single model" in ties.sentences[1]


def test_a_shift_is_found_and_none_is_not_made_up() -> None:
    """200 draws of answers from the training law: about 1 in 20 intervals leaves out no shift."""
    wrong = {"score": 0, "apart": 0, "uncertainty": 0}
    rng = np.random.default_rng(5)
    for _ in range(200):
        train = axes(rng.normal(size=4000), rng.gamma(4, 0.25, size=4000))
        now = axes(rng.normal(size=100), rng.gamma(4, 0.25, size=100))
        found = distribution_shift(now, train, list(range(100)))
        assert found.uncertainty is not None
        wrong["score"] += not found.score.low <= 0 <= found.score.high
        wrong["apart"] += not found.apart.low <= 0.5 <= found.apart.high
        wrong["uncertainty"] += not found.uncertainty.low <= 1 <= found.uncertainty.high
    assert max(wrong.values()) <= 20, wrong
    far = axes(rng.normal(1.0, size=100), rng.gamma(8, 0.25, size=100))
    found = distribution_shift(far, train, list(range(100)))
    assert found.score.low > 0.5 and found.uncertainty is not None and found.uncertainty.low > 1.5


def test_too_little_is_said() -> None:
    with pytest.raises(BadInput, match="20 answers"):
        distribution_shift(axes(np.zeros(5)), axes(np.arange(50.0)), list(range(5)))
    with pytest.raises(BadInput, match="same score"):
        distribution_shift(axes(np.zeros(30)), axes(np.ones(50)), list(range(30)))
