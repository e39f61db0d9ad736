"""The surrogate of GRPO and its kin, token by token; ``maths/aggregation.py`` takes the mean."""

from typing import NamedTuple

import torch

from preftune.maths.kl import k1, k2, k3
from preftune.maths.ratios import log_ratio
from preftune.maths.shapes import check_shapes


class SurrogateLosses(NamedTuple):
    """``losses_BT``, 0 where masked, and how many tokens were held at each end of the clip."""

    losses_BT: torch.Tensor
    clipped_low: torch.Tensor
    clipped_high: torch.Tensor


def surrogate_losses(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_B: torch.Tensor,
    action_mask_BT: torch.Tensor,
    cliprange_low: float,
    cliprange_high: float,
) -> SurrogateLosses:
    """−min(ρ_t A, clip(ρ_t, 1 − ε_low, 1 + ε_high) A), [B, T], ρ_t = π(y_t)/π_old(y_t).

    Shao et al. 2024, eq. 3 with ε_low = ε_high; Yu et al. 2025, eq. 8 with ε_high > ε_low
    (clip-higher). A response's tokens share its advantage, which is a constant.
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
    advantages_B1 = advantages_B.detach().unsqueeze(-1)
    advantages_BT = torch.where(action_mask_BT, advantages_B1, advantages_B1.new_zeros(()))
    return clipped_losses(
        ratios_BT=log_ratio_BT.exp(),
        advantages_BT=advantages_BT,
        cliprange_low=cliprange_low,
        cliprange_high=cliprange_high,
    )


def clipped_losses(
    *,
    ratios_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    cliprange_low: float,
    cliprange_high: float,
) -> SurrogateLosses:
    """−min(ρ A, clip(ρ, 1 − ε_low, 1 + ε_high) A) of ratios and advantages, [B, T]."""
    check_shapes(ratios_BT=ratios_BT, advantages_BT=advantages_BT)
    plain_BT = -advantages_BT * ratios_BT
    held_BT = -advantages_BT * ratios_BT.clamp(1 - cliprange_low, 1 + cliprange_high)
    is_held_BT = held_BT > plain_BT
    return SurrogateLosses(
        losses_BT=torch.maximum(plain_BT, held_BT),
        clipped_low=(is_held_BT & (advantages_BT < 0)).sum(),
        clipped_high=(is_held_BT & (advantages_BT > 0)).sum(),
    )


def k1_losses(
    *,
    logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
) -> torch.Tensor:
    """k1 as a loss, [B, T]; 0 where masked. It holds nothing: do not train with it.

    Its expected gradient over the policy's own tokens is E[∇ log π] = 0. It stands here for the
    test that shows it.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        reference_logprobs_BT=reference_logprobs_BT,
        action_mask_BT=action_mask_BT,
    )
    now_BT, then_BT = _masked(logprobs_BT, reference_logprobs_BT, action_mask_BT)
    return k1(logprobs_BT=now_BT, reference_logprobs_BT=then_BT)


def k2_losses(
    *,
    logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
) -> torch.Tensor:
    """k2 as a loss, [B, T]; 0 where masked.

    Its expected gradient over the policy's own tokens is that of the reverse KL(π‖π_ref) of each
    token given the ones before it.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        reference_logprobs_BT=reference_logprobs_BT,
        action_mask_BT=action_mask_BT,
    )
    now_BT, then_BT = _masked(logprobs_BT, reference_logprobs_BT, action_mask_BT)
    return k2(logprobs_BT=now_BT, reference_logprobs_BT=then_BT)


def k3_losses(
    *,
    logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
) -> torch.Tensor:
    """k3 as a loss, [B, T]; 0 where masked (Shao et al. 2024, eq. 4).

    Its value is unbiased for the reverse KL; its expected gradient over the policy's own tokens
    is that of the forward KL(π_ref‖π), which has another optimum.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        reference_logprobs_BT=reference_logprobs_BT,
        action_mask_BT=action_mask_BT,
    )
    now_BT, then_BT = _masked(logprobs_BT, reference_logprobs_BT, action_mask_BT)
    return k3(logprobs_BT=now_BT, reference_logprobs_BT=then_BT)


def weighted_k3_losses(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
) -> torch.Tensor:
    """ρ k3 with ρ = π / π_old, [B, T]; 0 where masked (DeepSeek-V3.2 2025, §3.1).

    Over tokens of π_old its expectation is the reverse KL of each token given the ones before it,
    and so is its gradient: at ρ = 1 the value is that of k3, the gradient is not.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        old_logprobs_BT=old_logprobs_BT,
        reference_logprobs_BT=reference_logprobs_BT,
        action_mask_BT=action_mask_BT,
    )
    now_BT, old_BT = _masked(logprobs_BT, old_logprobs_BT, action_mask_BT)
    losses_BT = k3_losses(
        logprobs_BT=logprobs_BT,
        reference_logprobs_BT=reference_logprobs_BT,
        action_mask_BT=action_mask_BT,
    )
    return (now_BT - old_BT).exp() * losses_BT


def _masked(
    logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor, action_mask_BT: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    zero = logprobs_BT.new_zeros(())
    now_BT = torch.where(action_mask_BT, logprobs_BT, zero)
    return now_BT, torch.where(action_mask_BT, reference_logprobs_BT.detach(), zero)
