"""The ratio to the rollout policy: hand values, masks, constants."""

import math

import pytest
import torch

from preftune.maths.ratios import log_ratio, ratio_statistics

RATIOS = (1.3, 1.0, 0.7, 0.9)


def test_hand_values() -> None:
    """Σ ½ log²ρ, Σ ρ = 3.9, Σ ρ² = 1.69 + 1 + .49 + .81, max |ρ − 1| = .3; no masked NaN."""
    logprobs = torch.tensor([[*RATIOS, 1.0]], dtype=torch.float64).log()
    logprobs[0, -1] = float("nan")
    mask = torch.tensor([[True] * 4 + [False]])
    found = ratio_statistics(
        logprobs_BT=logprobs, old_logprobs_BT=torch.zeros_like(logprobs), action_mask_BT=mask
    )
    expected = sum(0.5 * math.log(ratio) ** 2 for ratio in RATIOS)
    assert found.approxkl_sum.item() == pytest.approx(expected)
    assert found.ratio_sum.item() == pytest.approx(3.9)
    assert found.ratio_square_sum.item() == pytest.approx(1.69 + 1 + 0.49 + 0.81)
    assert found.ratio_max_error.item() == pytest.approx(0.3)


def test_what_the_rollout_said_is_taken_off() -> None:
    """log .3 − log .2 = log 1.5."""
    ratio = log_ratio(
        logprobs_BT=torch.tensor([[0.3]]).log(),
        old_logprobs_BT=torch.tensor([[0.2]]).log(),
        action_mask_BT=torch.tensor([[True]]),
    )
    assert ratio.item() == pytest.approx(math.log(1.5))


def test_the_rollout_s_side_is_a_constant() -> None:
    now, old = (torch.zeros(1, 2, requires_grad=True) for _ in range(2))
    log_ratio(
        logprobs_BT=now, old_logprobs_BT=old, action_mask_BT=torch.tensor([[True, False]])
    ).sum().backward()
    assert now.grad is not None and now.grad.tolist() == [[1.0, 0.0]]
    assert old.grad is None
