"""The regression of labels on score and trait: against statsmodels, and what its sign means."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from preftune.stats.tilt import tilt


def world(seed: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels drawn from the quality gap; a trait that has nothing to do with it."""
    rng = np.random.default_rng(seed)
    quality, trait = rng.normal(0, 1.5, count), rng.normal(0, 3.0, count)
    labels = (rng.random(count) < expit(quality)).astype(float)
    return labels, quality, trait


def test_it_is_the_logistic_regression_of_statsmodels() -> None:
    labels, quality, trait = world(0)
    score = quality + 0.3 * trait
    unit = np.sqrt(np.mean(trait**2))
    design = np.column_stack([score / np.sqrt(np.mean(score**2)), trait / unit])
    fit = sm.Logit(labels, design).fit(disp=0, cov_type="HC0")
    found = tilt(labels, score, trait)
    assert found is not None
    assert found.value == pytest.approx(fit.params[1], abs=2e-3)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * fit.bse[1], rel=0.01)


def test_a_score_that_pays_for_a_trait_has_a_negative_tilt() -> None:
    labels, quality, trait = world(1)
    found = tilt(labels, quality + 0.3 * trait, trait)
    # labels follow score − .3 trait, so β is −.3 times the trait's root mean square
    assert found is not None and found.high < 0
    assert found.low < -0.3 * np.sqrt(np.mean(trait**2)) < found.high


def test_a_rare_trait_is_measured_where_it_differs() -> None:
    """Equal in nine pairs of ten: β is that of the pairs that differ, and only less certain."""
    labels, quality, trait = world(4, 20_000)
    rare = np.where(np.arange(trait.size) % 10 == 0, np.sign(trait), 0.0)
    found = tilt(labels, quality + 0.8 * rare, rare)
    assert found is not None and found.low < -0.8 < found.high < -0.5


def test_a_score_that_follows_the_labels_has_none() -> None:
    labels, quality, trait = world(2)
    found = tilt(labels, quality, trait)
    assert found is not None and found.low < 0 < found.high


def test_a_noisy_score_is_not_blamed_for_a_trait_that_is_worth_something() -> None:
    """What the noise hid of the quality, the trait that goes with it tells: β above 0."""
    labels, quality, _ = world(3)
    rng = np.random.default_rng(9)
    trait = quality + rng.normal(0, 1, quality.size)
    found = tilt(labels, quality + rng.normal(0, 2, quality.size), trait)
    assert found is not None and found.low > 0


def test_labels_that_all_agree_give_a_finite_answer() -> None:
    found = tilt([1.0] * 30, np.ones(30), np.linspace(-1, 1, 30))
    assert found is not None and np.isfinite(found.value)


def test_a_trait_that_never_differs_says_nothing() -> None:
    assert tilt([1.0, 0.0], [1.0, 2.0], [0.0, 0.0]) is None
    assert tilt([1.0, 0.0], [1.0, 2.0], [1.0, 2.0], ["a", "a"]) is None
