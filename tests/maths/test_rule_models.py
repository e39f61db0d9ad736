"""Log-odds to log-probabilities, by hand and far out."""

import math

import numpy as np
import pytest

from preftune.maths.rule_models import log_kept


def test_by_hand_and_far_out() -> None:
    """log σ(0) = −ln 2, log σ(ln 3) = ln .75; at ±1000 it is 0 and −1000, not infinite."""
    found = log_kept(log_odds=np.array([[0.0, math.log(3)], [1000.0, -1000.0]]))
    expected = [[-math.log(2), math.log(0.75)], [0.0, -1000.0]]
    assert found.tolist() == [pytest.approx(row) for row in expected]
