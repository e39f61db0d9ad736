"""The policy gradient: a hand value, constants, masks, splits."""

import pytest
import torch

from preftune.maths.losses.reinforce import reinforce_loss
from tests.maths.losses.made import check_promises, check_slopes


def loss_of(part: dict[str, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    return reinforce_loss(
        logprobs_BT=part["now"],
        advantages_BT=part["advantages"].unsqueeze(-1).expand(mask.shape),
        action_mask_BT=mask,
        denominator=3,
    )


def test_hand_value() -> None:
    """−[2 · (−.5 − 1) + (−1) · (−.25)] / 2 = −[−3 + .25] / 2 = 1.375; slopes −A / 2."""
    logprobs = torch.tensor([[-0.5, -1.0], [-0.25, -9.0]], requires_grad=True)
    advantages = torch.tensor([[2.0, 2.0], [-1.0, 5.0]], requires_grad=True)
    loss = reinforce_loss(
        logprobs_BT=logprobs,
        advantages_BT=advantages,
        action_mask_BT=torch.tensor([[True, True], [True, False]]),
        denominator=2,
    )
    loss.backward()
    assert loss.item() == pytest.approx(1.375)
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [[-1, -1], [0.5, 0]]
    assert advantages.grad is None


def test_promises() -> None:
    check_promises(loss_of)
    check_slopes(loss_of)
