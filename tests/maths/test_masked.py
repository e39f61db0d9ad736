"""Statistics over True entries, against hand values and numpy."""

import numpy as np
import pytest
import torch

from preftune.maths.masked import (
    masked_mean,
    masked_sum,
    masked_variance,
    scale_to_unit_variance,
    whiten,
)

NAN = float("nan")
VALUES = torch.tensor([[1.0, 2.0, NAN], [NAN, 3.0, 4.0]])
MASK = torch.tensor([[True, True, False], [False, True, True]])


def test_sums_means_and_variances_skip_what_is_masked() -> None:
    assert masked_sum(values_BT=VALUES, mask_BT=MASK) == 10
    assert masked_mean(values_BT=VALUES, mask_BT=MASK) == 2.5
    assert masked_variance(values_BT=VALUES, mask_BT=MASK) == 1.25


def test_nothing_unmasked_is_zero() -> None:
    nothing = torch.zeros_like(MASK)
    assert masked_mean(values_BT=VALUES, mask_BT=nothing) == 0
    nothing[1, 2] = True
    assert masked_mean(values_BT=VALUES, mask_BT=nothing) == 4, "one entry is its own mean"
    assert whiten(values_BT=VALUES, mask_BT=nothing).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_whitening_has_the_population_s_values() -> None:
    white = whiten(values_BT=VALUES, mask_BT=MASK)
    expected = [[-1.341641, -0.447214, 0.0], [0.0, 0.447214, 1.341641]]
    assert torch.allclose(white, torch.tensor(expected), atol=1e-6)
    # TRL divides by 3, not by 4: −1.5 / √(5/3) = −1.161895
    assert abs(white[0, 0].item() + 1.161895) > 0.1
    # −1.5 / √(1.25 + .75)
    wide = whiten(values_BT=VALUES, mask_BT=MASK, epsilon=0.75)
    assert wide[0, 0].item() == pytest.approx(-1.0606602)


def test_scaling_keeps_the_mean() -> None:
    scaled = scale_to_unit_variance(values_BT=VALUES, mask_BT=MASK)
    expected = [[1.158359, 2.052786, 0.0], [0.0, 2.947214, 3.841641]]
    assert torch.allclose(scaled, torch.tensor(expected), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_against_numpy_on_random_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(3, 2, (4, 7))
    mask = rng.random((4, 7)) < 0.6
    kept = values[mask]
    white = whiten(values_BT=torch.tensor(values), mask_BT=torch.tensor(mask)).numpy()
    assert np.allclose(white[mask], (kept - kept.mean()) / kept.std(ddof=0), atol=1e-7)
    assert (white[~mask] == 0).all()
    assert np.isclose(white[mask].std(), 1) and np.isclose(white[mask].mean(), 0, atol=1e-12)


def test_gradients_of_masked_entries_are_zero() -> None:
    values = VALUES.clone().requires_grad_()
    masked_sum(values_BT=values, mask_BT=MASK).backward()
    assert values.grad is not None
    assert values.grad.tolist() == MASK.float().tolist()
