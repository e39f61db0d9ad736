"""REINFORCE: the policy gradient as it stands."""

import torch

from preftune.maths.shapes import check_shapes


def reinforce_loss(
    *,
    logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """−Σ_i Σ_t A_it log π(y_it) / ``denominator``, a scalar (Williams 1992).

    Its gradient is the policy gradient only for responses of the policy as it is: there is no
    ratio to correct for older ones. ``denominator`` is the number of responses in the whole
    optimizer step. Advantages are constants.
    """
    check_shapes(
        logprobs_BT=logprobs_BT, advantages_BT=advantages_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    logprobs_BT = torch.where(action_mask_BT, logprobs_BT, zero)
    advantages_BT = torch.where(action_mask_BT, advantages_BT.detach(), zero)
    return -(advantages_BT * logprobs_BT).sum() / denominator
