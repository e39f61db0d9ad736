"""A2C's two losses: the policy gradient on advantages and the value's squared error."""

import torch

from preftune.maths.masked import masked_sum
from preftune.maths.shapes import check_shapes


def actor_loss(
    *,
    logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """−Σ_t A_t log π(y_t) / ``denominator``, a scalar.

    Mnih et al. 2016. ``denominator`` is the number of action tokens in the whole optimizer step.
    Advantages are constants; the gradient is the policy gradient only on the policy's own samples.
    """
    check_shapes(
        logprobs_BT=logprobs_BT, advantages_BT=advantages_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    logprobs_BT = torch.where(action_mask_BT, logprobs_BT, zero)
    advantages_BT = torch.where(action_mask_BT, advantages_BT.detach(), zero)
    return -(advantages_BT * logprobs_BT).sum() / denominator


def critic_loss(
    *,
    values_BT: torch.Tensor,
    returns_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ_t (V_t − G_t)² / ``denominator``, a scalar: the mean squared error. Returns are constants.

    Mnih et al. 2016, whose weight is .5.
    """
    check_shapes(values_BT=values_BT, returns_BT=returns_BT, action_mask_BT=action_mask_BT)
    zero = values_BT.new_zeros(())
    errors_BT = torch.where(action_mask_BT, values_BT, zero) - torch.where(
        action_mask_BT, returns_BT.detach(), zero
    )
    return masked_sum(values_BT=errors_BT.square(), mask_BT=action_mask_BT) / denominator
