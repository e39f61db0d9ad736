"""Calibration error by hand, and its symmetry for pairs."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import brier, expected_calibration_error, fit_temperature, pair_calibration


def test_by_hand() -> None:
    # Two bins: {.2, .4} predicted .3, observed 0; {.6, .8} predicted .7, observed 1.
    found = expected_calibration_error([0.2, 0.4, 0.6, 0.8], [0, 0, 1, 1], bins=2)
    assert found.ece == pytest.approx(0.3)
    assert found.as_json()["reliability"] == [
        {"low": 0.0, "high": 0.5, "predicted": pytest.approx(0.3), "observed": 0.0, "count": 2},
        {"low": 0.5, "high": 1.0, "predicted": pytest.approx(0.7), "observed": 1.0, "count": 2},
    ]


def test_bins_are_weighted_by_their_cases_and_ends_belong() -> None:
    # Bin [0, .25) misses nothing, [.75, 1] holds three cases: 1, 1, .8 → .9333 against 2/3.
    found = expected_calibration_error([0.0, 1.0, 1.0, 0.8], [0, 1, 0, 1], bins=4)
    assert [row.count for row in found.reliability] == [1, 3]
    assert found.ece == pytest.approx(0.75 * (2.8 / 3 - 2 / 3))


def test_right_probabilities_are_calibrated_and_overconfident_ones_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(20000)
    came_true = (rng.random(20000) < p).astype(float)
    assert expected_calibration_error(p, came_true).ece < 0.015
    # Certain of everything: off by 1 − E max(p, 1 − p) = 1/4.
    assert expected_calibration_error(p > 0.5, came_true).ece == pytest.approx(0.25, abs=0.01)


def test_pairs_by_hand() -> None:
    # .9 right, .7 right, .6 wrong (called .4 for the other side). Bins of width .25 from .5:
    # [.5, .75) holds .7 and .6 → .65 against .5; [.75, 1] holds .9 → against 1.
    found = pair_calibration([0.9, 0.7, 0.4], [1, 1, 1], bins=4)
    assert found.ece == pytest.approx(2 / 3 * 0.15 + 1 / 3 * 0.1)
    assert [row.count for row in found.reliability] == [1, 2, 2, 1]
    ends = [(row.low, row.high) for row in found.reliability]
    assert ends == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    assert [row.predicted for row in found.reliability] == pytest.approx([0.1, 0.35, 0.65, 0.9])
    assert [row.observed for row in found.reliability] == pytest.approx([0, 0.5, 0.5, 1])


def test_pairs_do_not_depend_on_who_is_named_first() -> None:
    rng = np.random.default_rng(1)
    p, y = np.round(rng.random(200), 1), rng.choice([0.0, 0.5, 1.0], size=200)
    flip = rng.random(200) < 0.5
    one = pair_calibration(p, y)
    two = pair_calibration(np.where(flip, 1 - p, p), np.where(flip, 1 - y, y))
    assert one.ece == pytest.approx(two.ece, abs=1e-12)
    for row, mirror in zip(one.reliability, reversed(one.reliability), strict=True):
        assert row.predicted == pytest.approx(1 - mirror.predicted)
        assert row.observed == pytest.approx(1 - mirror.observed)
        assert row.count == mirror.count


def test_pairs_are_both_orders_stacked() -> None:
    rng = np.random.default_rng(2)
    p, y = rng.random(300), rng.integers(0, 2, size=300).astype(float)
    stacked = expected_calibration_error(np.append(p, 1 - p), np.append(y, 1 - y))
    pairs = pair_calibration(p, y)
    assert pairs.ece == pytest.approx(stacked.ece, abs=1e-12)
    assert [row.count for row in pairs.reliability] == [row.count for row in stacked.reliability]


def test_a_model_that_cannot_tell_is_calibrated() -> None:
    found = pair_calibration([0.5] * 7, [1] * 7)
    assert found.ece == 0.0
    assert [row.observed for row in found.reliability] == [0.5, 0.5]


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="even number of bins, not 5"):
        pair_calibration([0.5], [1], bins=5)
    with pytest.raises(BadInput, match="2 probabilities but 1 outcomes"):
        expected_calibration_error([0.5, 0.5], [1])
    with pytest.raises(BadInput, match="between 0 and 1"):
        expected_calibration_error([1.5], [1])
    with pytest.raises(BadInput, match="at least one bin"):
        expected_calibration_error([0.5], [1], bins=0)


def test_brier_by_hand() -> None:
    # (.04 + .16 + .25) / 3
    assert brier([0.8, 0.4, 0.5], [1, 0, 1]) == pytest.approx(0.15)


@pytest.mark.parametrize("wanted", [0.4, 1.0, 3.0])
def test_a_known_temperature_comes_back(wanted: float) -> None:
    """Outcomes that are σ(gap / T) exactly have their least cross-entropy at T."""
    gaps = np.linspace(-4, 6, 41)
    outcomes = 1 / (1 + np.exp(-gaps / wanted))
    assert fit_temperature(gaps, outcomes) == pytest.approx(wanted, rel=1e-5)
    assert fit_temperature(-gaps, 1 - outcomes) == pytest.approx(wanted, rel=1e-5)


def test_a_temperature_has_ends() -> None:
    assert fit_temperature([1.0, 2.0], [1, 1]) == pytest.approx(0.01, rel=1e-3)
    assert fit_temperature([1.0, 2.0], [0, 0]) == pytest.approx(100, rel=1e-3)
    with pytest.raises(BadInput, match="2 gaps but 1 outcomes"):
        fit_temperature([1.0, 2.0], [1])
