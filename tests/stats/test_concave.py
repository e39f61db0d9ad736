"""Newton's way up."""

import numpy as np
import pytest

from preftune.records import RunFailed
from preftune.stats.concave import climb


def test_the_top_is_found_from_far_away() -> None:
    """−log cosh(x − 3): plain Newton steps would fly off from 0."""

    def curve(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        t = np.tanh(x - 3)
        return -float(np.log(np.cosh(x - 3)).sum()), -t, np.diag(1 - t**2)

    assert climb(curve, np.zeros(1), what="a test")[0] == pytest.approx(3.0)


def test_what_has_no_top_says_so() -> None:
    def curve(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return float(x.sum()), np.ones(2), np.zeros((2, 2))

    with pytest.raises(RunFailed, match="a plane has no single best fit"):
        climb(curve, np.zeros(2), what="a plane")
