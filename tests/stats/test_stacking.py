"""Weights of scores: closed forms, and a score that does not help."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import stacking_weights


def test_one_score_of_one_size_has_a_closed_form() -> None:
    # gaps of 2, right in three of four: sigmoid(2 w) = 3/4, w = ln(3) / 2
    found = stacking_weights([[2.0]] * 4, [1, 1, 1, 0])
    assert found == pytest.approx([np.log(3) / 2], abs=1e-4)
    # the same from shares, and from weights
    assert stacking_weights([[2.0]], [0.75]) == pytest.approx([np.log(3) / 2], abs=1e-4)
    weighed = stacking_weights([[2.0], [2.0]], [1, 0], weights=[3, 1])
    assert weighed == pytest.approx([np.log(3) / 2], abs=1e-4)


def test_true_weights_come_back() -> None:
    gaps = np.random.default_rng(0).normal(size=(400, 2))
    shares = 1 / (1 + np.exp(-(gaps @ np.array([0.5, 2.0]))))
    assert stacking_weights(gaps, shares) == pytest.approx([0.5, 2.0], abs=1e-3)


def test_a_score_that_misleads_gets_nothing() -> None:
    rng = np.random.default_rng(1)
    good, noise = rng.normal(size=(2, 300))
    shares = 1 / (1 + np.exp(-good))
    found = stacking_weights(np.column_stack([good, noise - 0.5 * good]), shares)
    assert found[0] == pytest.approx(1.0, abs=0.1) and found[1] == 0
    assert stacking_weights(-good[:, None], shares) == pytest.approx([1.0])


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(BadInput, match="outcomes"):
        stacking_weights([[1.0, 2.0]], [1, 0])
