"""Saying "not sure": coverage by hand, and what the temperature does and does not change."""

import numpy as np
import pytest
from scipy.special import expit

from preftune.evaluation import calibrated_summary, calibration_summary, commitment, coverage_curve
from preftune.records import BadInput

GAPS = [3.0, -2.0, 1.0, 0.5, -0.1]


def test_coverage_by_hand() -> None:
    """From the surest on: right, wrong, right, right, wrong."""
    curve = coverage_curve(GAPS, shares=(1.0, 0.8, 0.6, 0.4, 0.2))
    assert [point.coverage for point in curve] == [1.0, 0.8, 0.6, 0.4, 0.2]
    right = [point.accuracy.value for point in curve]
    assert right == pytest.approx([3 / 5, 3 / 4, 2 / 3, 1 / 2, 1])
    assert [point.certainty for point in curve] == pytest.approx(
        [expit(gap) for gap in (0.1, 0.5, 1.0, 2.0, 3.0)]
    )


def test_equally_sure_pairs_go_together() -> None:
    (whole, half) = coverage_curve([1.0, -1.0, 1.0, 0.2], shares=(1.0, 0.5))
    assert (half.coverage, half.accuracy.value) == (0.75, pytest.approx(2 / 3))
    assert whole.coverage == 1.0


def test_a_temperature_moves_certainties_and_no_accuracy() -> None:
    plain, warm = coverage_curve(GAPS), coverage_curve(GAPS, temperature=4.0)
    assert [p.accuracy for p in plain] == [p.accuracy for p in warm]
    assert warm[0].certainty == pytest.approx(expit(0.1 / 4))
    assert commitment(GAPS, temperature=4.0, at_least=0.9) is None
    sure = commitment(GAPS, at_least=0.7)
    assert sure is not None and sure.coverage == 0.6


def test_pairs_of_one_prompt_are_one_unit() -> None:
    point = commitment(GAPS, ["a", "a", "b", "b", "b"], at_least=0.7)
    assert point is not None and point.accuracy.count == 2


def test_a_model_that_is_twice_too_sure_is_mended() -> None:
    rng = np.random.default_rng(3)
    true = rng.normal(0, 1.5, 20_000)
    chosen_won = rng.random(true.size) < expit(true)
    gaps = 2 * np.where(chosen_won, true, -true)
    found = calibration_summary(gaps, np.ones(true.size), not_sure_below=0.6)
    # σ(Δ/2) is the true probability; fitted on who won, so T is 2 up to noise
    assert found["temperature"] == pytest.approx(2.0, abs=0.1)
    before, after = found["calibration"]["before"], found["calibration"]["after"]
    assert after["ece"] < 0.01 < before["ece"] and after["brier"] < before["brier"]
    unsure = found["not_sure"]
    assert unsure["share"] == pytest.approx(np.mean(expit(np.abs(true)) < 0.6), abs=0.02)
    everywhere = found["coverage"][0]["accuracy"]["value"]
    assert unsure["accuracy_where_sure"]["value"] > everywhere
    held_out = calibrated_summary(gaps, np.ones(true.size), temperature=found["temperature"])
    assert held_out["ece_calibrated"] == pytest.approx(after["ece"])
    assert held_out["brier"] == pytest.approx(before["brier"])


@pytest.mark.parametrize("gaps", [[], [float("nan")], [[1.0]]])
def test_gaps_must_be_numbers(gaps: list[float]) -> None:
    with pytest.raises(BadInput):
        coverage_curve(gaps)
