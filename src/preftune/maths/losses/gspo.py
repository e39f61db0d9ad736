"""GSPO: one ratio for a response, the geometric mean of its tokens' ratios."""

import torch

from preftune.maths.losses.grpo import SurrogateLosses, clipped_losses
from preftune.maths.ratios import log_ratio
from preftune.maths.shapes import check_shapes


def sequence_ratios(
    *, logprobs_BT: torch.Tensor, old_logprobs_BT: torch.Tensor, action_mask_BT: torch.Tensor
) -> torch.Tensor:
    """s_i = exp((1/|y_i|) Σ_t log ρ_it), [B] (Zheng et al. 2025, eq. 7)."""
    check_shapes(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    log_ratio_BT = log_ratio(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    return (log_ratio_BT.sum(-1) / action_mask_BT.sum(-1).clamp(min=1)).exp()


def gspo_losses(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_B: torch.Tensor,
    action_mask_BT: torch.Tensor,
    cliprange_low: float,
    cliprange_high: float,
) -> SurrogateLosses:
    """−min(s_i A_i, clip(s_i, 1 − ε_low, 1 + ε_high) A_i) at each token of response i, [B, T].

    Zheng et al. 2025, eq. 5; the mean over sequences of token means gives the paper's objective.
    A response is clipped as a whole, and then all of its tokens count as clipped.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        old_logprobs_BT=old_logprobs_BT,
        advantages_B=advantages_B,
        action_mask_BT=action_mask_BT,
    )
    ratios_B = sequence_ratios(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    zero = ratios_B.new_zeros(())
    return clipped_losses(
        ratios_BT=torch.where(action_mask_BT, ratios_B.unsqueeze(-1), zero),
        advantages_BT=torch.where(action_mask_BT, advantages_B.detach().unsqueeze(-1), zero),
        cliprange_low=cliprange_low,
        cliprange_high=cliprange_high,
    )


def gspo_token_losses(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    cliprange_low: float,
    cliprange_high: float,
) -> SurrogateLosses:
    """GSPO-token: :func:`gspo_losses` with s_it = sg[s_i] π(y_t)/sg[π(y_t)] and A_it, [B, T].

    Zheng et al. 2025, eq. 13–14. Ratios are worth s_i; gradients go through each token by itself,
    so advantages may differ between tokens. With one advantage for a response, loss and gradient
    are GSPO's.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        old_logprobs_BT=old_logprobs_BT,
        advantages_BT=advantages_BT,
        action_mask_BT=action_mask_BT,
    )
    ratios_B = sequence_ratios(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    own_BT = torch.where(action_mask_BT, logprobs_BT, zero)
    ratios_BT = ratios_B.detach().unsqueeze(-1) * (own_BT - own_BT.detach()).exp()
    return clipped_losses(
        ratios_BT=torch.where(action_mask_BT, ratios_BT, zero),
        advantages_BT=torch.where(action_mask_BT, advantages_BT.detach(), zero),
        cliprange_low=cliprange_low,
        cliprange_high=cliprange_high,
    )
