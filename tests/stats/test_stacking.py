"""The weight of a score beside another: closed forms, and a score that does not help."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import stacking_weight


def test_without_an_offset_it_has_a_closed_form() -> None:
    # gaps of 2, right in three of four: sigmoid(2 w) = 3/4, w = ln(3) / 2
    expected = pytest.approx(np.log(3) / 2, abs=1e-5)
    assert stacking_weight([2.0] * 4, [0.0] * 4, [1, 1, 1, 0]) == expected
    assert stacking_weight([2.0], [0.0], [0.75]) == expected
    assert stacking_weight([2.0, 2.0], [0.0, 0.0], [1, 0], weights=[3, 1]) == expected


def test_an_offset_stays_as_it_is() -> None:
    # 1 + 2 w = ln 9
    found = stacking_weight([2.0], [1.0], [0.9])
    assert found == pytest.approx((np.log(9) - 1) / 2, abs=1e-5)


def test_the_true_weight_comes_back() -> None:
    gaps, offsets = np.random.default_rng(0).normal(size=(2, 400))
    shares = 1 / (1 + np.exp(-(offsets + 0.7 * gaps)))
    assert stacking_weight(gaps, offsets, shares) == pytest.approx(0.7, abs=1e-4)


def test_a_score_that_does_not_help_gets_nothing() -> None:
    gaps, offsets = np.random.default_rng(1).normal(size=(2, 300))
    assert stacking_weight(-gaps, offsets, 1 / (1 + np.exp(-offsets - gaps))) == 0
    # what the offset says already: (1 + w) · offset, and the shares want no more than it
    assert stacking_weight(offsets, offsets, 1 / (1 + np.exp(-0.9 * offsets))) == 0


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(BadInput, match="2 gaps"):
        stacking_weight([1.0, 2.0], [0.0], [1])
