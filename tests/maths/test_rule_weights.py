"""The hinge over ordered completions, by hand and smoothed."""

import math

import pytest
import torch

from preftune.maths.rule_weights import ordering_loss, smooth_ordering_loss

GIVEN = {
    "weights_K": torch.tensor([1.0, -2.0]),
    "features_PK": torch.tensor([[0.5, 0.0], [0.0, 0.5], [1.0, -1.0]]),
    "base_P": torch.tensor([0.25, 0.0, 0.0]),
    "margins_P": torch.tensor([1.0, 0.5, 1.0]),
}


def test_by_hand() -> None:
    """Sums .75, −1, 3 against margins 1, .5, 1: short by .25, 1.5 and nothing."""
    assert ordering_loss(**GIVEN).item() == pytest.approx(1.75 / 3)


def test_the_smooth_loss_is_above_by_at_most_its_width_times_log_2() -> None:
    for width in (1.0, 0.1, 0.001):
        gap = smooth_ordering_loss(**GIVEN, width=width).item() - ordering_loss(**GIVEN).item()
        assert -1e-7 <= gap <= width * math.log(2) + 1e-7
