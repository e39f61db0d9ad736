"""RLOO's loss: the whole response is one action with one ratio."""

from typing import NamedTuple

import torch

from preftune.maths.ratios import log_ratio
from preftune.maths.shapes import check_shapes


class ResponseLoss(NamedTuple):
    """The scalar ``loss`` and the number of responses whose clipped term was the larger."""

    loss: torch.Tensor
    clipped: torch.Tensor


def rloo_loss(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_B: torch.Tensor,
    action_mask_BT: torch.Tensor,
    cliprange: float,
    denominator: float,
) -> ResponseLoss:
    """Σ_i max(−A_i ρ_i, −A_i clip(ρ_i, 1 − ε, 1 + ε)) / ``denominator``, ρ_i = π(y_i)/π_old(y_i).

    Ahmadian et al. 2024 as released with TRL. On fresh responses the gradient is that of
    −A_i Σ_t log π(y_it). ``denominator`` is the number of responses in the whole optimizer step.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        old_logprobs_BT=old_logprobs_BT,
        advantages_B=advantages_B,
        action_mask_BT=action_mask_BT,
    )
    log_ratio_BT = log_ratio(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    ratio_B = log_ratio_BT.sum(-1).exp()
    advantages_B = advantages_B.detach()
    plain_B = -advantages_B * ratio_B
    clipped_B = -advantages_B * ratio_B.clamp(1 - cliprange, 1 + cliprange)
    loss = torch.maximum(plain_B, clipped_B).sum() / denominator
    return ResponseLoss(loss=loss, clipped=(clipped_B > plain_B).sum())
