"""P-values from intervals, Holm's correction against statsmodels, the sign test against scipy."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from preftune.records import BadInput, Estimate
from preftune.stats import mean_estimate
from preftune.stats.multiplicity import holm, p_value, sign_test


def test_the_p_value_of_a_mean_is_the_t_test_s() -> None:
    values = np.random.default_rng(0).normal(0.3, 1.0, 25)
    expected = scipy_stats.ttest_1samp(values, 0.0).pvalue
    assert p_value(mean_estimate(values)) == pytest.approx(expected, rel=1e-9)
    shifted = scipy_stats.ttest_1samp(values, 0.5).pvalue
    assert p_value(mean_estimate(values), 0.5) == pytest.approx(shifted, rel=1e-9)


def test_intervals_without_width() -> None:
    assert p_value(Estimate(0.4, 0.4, 0.4, 9)) == 0.0
    assert p_value(Estimate(0.0, 0.0, 0.0, 9)) == 1.0
    assert p_value(Estimate(0.4, 0.4, 0.4, 1)) == 1.0, "one unit says nothing"


def test_holm_is_statsmodels_s() -> None:
    p = np.random.default_rng(3).uniform(0, 0.2, 17)
    expected = multipletests(p, method="holm")[1]
    assert holm(p) == pytest.approx(expected.tolist())
    assert holm([]) == []
    with pytest.raises(BadInput):
        holm([0.2, 1.2])


def test_who_survives() -> None:
    """.01 · 3 and .02 · 2 stay below .05; .04 does too, .03 would not alone be the largest."""
    assert all(p < 0.05 for p in holm([0.01, 0.04, 0.02]))
    assert not any(p < 0.05 for p in holm([0.02, 0.04, 0.02]))


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (9, 1), (1, 9), (30, 22), (5, 5)])
def test_the_sign_test_is_the_binomial_one(gained: int, lost: int) -> None:
    expected = scipy_stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert sign_test(gained, lost) == pytest.approx(expected, rel=1e-9)
